//! Configuration files as the program reads them, and what is asked of a configuration before it trains.
#![no_main]
#![allow(dead_code, reason = "a module of the program")]

#[path = "../../cli/src/config_file.rs"]
mod config_file;

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use sparring_core::config::ExperimentConfig;

fuzz_target!(|text: &str| {
    if let Ok(config) = config_file::on_top(Path::new("fuzzed"), text, ExperimentConfig::default())
        && config.validate().is_ok()
    {
        let _ = (config.check_attacks(), config.hash(), toml::to_string(&config));
    }
});
