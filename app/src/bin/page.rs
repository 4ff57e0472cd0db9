//! The entry point of the page.

fn main() {
    sparring_app::page::start();
}
