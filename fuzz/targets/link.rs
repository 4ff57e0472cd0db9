//! Links of the page: a query, taken apart as a browser does but for the percent signs.
#![no_main]
#![allow(dead_code, reason = "a module of the page")]

#[path = "../../app/src/link.rs"]
mod link;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|query: &str| {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, value)| (name.to_owned(), value.to_owned()));
    if let Ok(config) = link::parse(pairs) {
        // What was read can be said again, and is the same.
        let again = link::query(&config).expect("a configuration has a link");
        let pairs = again.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(link::parse(pairs).expect("a link that the page made is read"), config);
        let _ = link::command(&config, 3);
    }
});
