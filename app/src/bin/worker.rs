//! The worker's entry point.

fn main() {
    sparring_app::trainer::start();
}
