// The calls that a service's Node client makes, with axios.
//
// service_client.js ADDRESS KEY prints one JSON object. axios throws for every status that is no
// success; what it threw is told as well.
'use strict';

const axios = require('axios');
const os = require('os');

class Client {
    constructor(address, name, key) {
        this.base = `http://${address}`;
        this.name = name;
        this.headers = { 'Content-Type': 'application/json' };
        if (key) {
            this.headers['Authorization'] = `Bearer ${key}`;
        }
    }

    async post(path, body) {
        try {
            const answer = await axios.post(this.base + path, body, { headers: this.headers });
            return [answer.status, answer.data];
        } catch (error) {
            return [error.response.status, error.response.data];
        }
    }

    async get(path) {
        return (await axios.get(this.base + path, { headers: this.headers })).data;
    }
}

async function main() {
    const [address, key] = process.argv.slice(2);
    const client = new Client(address, 'js', key);
    const told = {};
    told.status = await client.post('/services/', {
        name: 'js', status: 'up', endpoint: 'http://js:3000',
    });
    const metrics = {
        cpu: os.loadavg()[0],
        memory: (os.totalmem() - os.freemem()) / os.totalmem() * 100,
        disk: 0,
    };
    told.metrics = [];
    for (const [metric_type, value] of Object.entries(metrics)) {
        told.metrics.push(await client.post('/metrics/', { service: 'js', metric_type, value }));
    }
    told.pipeline = await client.post('/pipelines/', {
        pipeline_type: 'evaluation', status: 'completed', metadata: { step: 'score' },
    });
    told.alert = await client.post('/alerts/', {
        title: 'Metrics Collection Failed', message: 'timeout', severity: 2, service: 'js',
    });
    told.services = await client.get('/services/');
    told.newest = await client.get('/metrics');
    const crowd = Array.from({ length: 50 }, (_, n) => client.post('/metrics', {
        agent_id: `js-${n}`, cpu: { total_percent: 95 },
    }));
    told.statuses = (await Promise.all(crowd)).map(([status]) => status);
    told.health = await client.get('/health');
    // Node ends a program whose connection breaks while it still sends.
    told.large = await client.post('/services/', { name: 'x'.repeat(9 << 20), status: 'up' });
    console.log(JSON.stringify(told));
}

main();
