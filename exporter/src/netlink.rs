//! Network interfaces and their addresses by rtnetlink (`rtnetlink(7)`): one question for all
//! interfaces instead of a file for each attribute of each, with counters of 64 bits.

mod address;
mod link;
mod message;
#[cfg_attr(not(target_os = "linux"), path = "netlink/no_socket.rs")]
mod socket;

use std::io;

pub(crate) use address::Ipv4;
pub(crate) use link::Link;
use socket::Socket;

/// Answers come in datagrams of up to this size (`NLMSG_GOODSIZE`, more for many statistics).
const DATAGRAM: usize = 64 * 1024;
/// The longest answer that is read: some ten thousand interfaces.
const MAX_DATAGRAMS: usize = 4096;

/// A socket to the kernel's routing subsystem, opened when first needed and kept.
#[derive(Default)]
pub(crate) struct Netlink {
    socket: Option<Socket>,
    buffer: Vec<u8>,
    sequence: u32,
}

impl Netlink {
    /// Every interface of this network namespace, in the kernel's order.
    pub(crate) fn links(&mut self) -> io::Result<Vec<Link>> {
        let mut links = Vec::new();
        self.dump(message::GET_LINK, |kind, payload| {
            if kind == message::NEW_LINK {
                links.extend(link::parse(payload));
            }
        })?;
        Ok(links)
    }

    /// Every IPv4 address of this network namespace, in the kernel's order.
    pub(crate) fn ipv4(&mut self) -> io::Result<Vec<Ipv4>> {
        let mut addresses = Vec::new();
        self.dump(message::GET_ADDRESS, |kind, payload| {
            if kind == message::NEW_ADDRESS {
                addresses.extend(address::parse(payload));
            }
        })?;
        Ok(addresses)
    }

    fn dump(&mut self, question: u16, each: impl FnMut(u16, &[u8])) -> io::Result<()> {
        let result = self.try_dump(question, each);
        if result.is_err() {
            // What is left of the answer must not be taken for the next one.
            self.socket = None;
        }
        result
    }

    fn try_dump(&mut self, question: u16, mut each: impl FnMut(u16, &[u8])) -> io::Result<()> {
        let socket = match self.socket.take() {
            Some(socket) => self.socket.insert(socket),
            None => self.socket.insert(Socket::open()?),
        };
        self.buffer.resize(DATAGRAM, 0);
        self.sequence = self.sequence.wrapping_add(1);
        socket.send(&message::request(question, self.sequence))?;
        for _ in 0..MAX_DATAGRAMS {
            let length = socket.receive(&mut self.buffer)?;
            let Some(datagram) = self.buffer.get(..length) else {
                return Err(io::Error::other("a netlink answer is longer than 64 KiB"));
            };
            for message in message::split(datagram) {
                match message.kind {
                    _ if message.sequence != self.sequence => {}
                    message::DONE => return Ok(()),
                    message::ERROR => return Err(message::error(message.payload)),
                    kind => each(kind, message.payload),
                }
            }
        }
        Err(io::Error::other("a netlink answer does not end"))
    }
}
