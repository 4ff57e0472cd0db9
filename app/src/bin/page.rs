//! The page's entry point.

fn main() {
    sparring_app::page::start();
}
