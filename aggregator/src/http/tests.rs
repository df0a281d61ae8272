//! The routes as a client meets them, over the real store in memory.

mod admin;
mod alertmanager;
mod alerts;
mod contract;
mod durability;
mod many;
mod openapi;
mod pages;
mod prometheus;
mod reports;
mod requests;
mod server;
mod streams;
