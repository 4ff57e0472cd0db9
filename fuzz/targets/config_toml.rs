//! Configuration files, and what is asked of a configuration before it trains.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sparring_core::config::ExperimentConfig;

fuzz_target!(|text: &str| {
    if let Ok(mut config) = toml::from_str::<ExperimentConfig>(text) {
        config.complete_attacks(|_| false);
        if config.validate().is_ok() {
            let _ = (config.check_attacks(), config.hash(), toml::to_string(&config));
        }
    }
});
