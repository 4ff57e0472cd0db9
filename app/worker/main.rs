//! The entry point of the page's worker. A module of its own: the page is there, and plays recorded runs, before it has arrived.

fn main() {
    sparring_app::trainer::start();
}
