//! Links the addon the way the platform wants it; nothing else happens at build time.

fn main() {
    napi_build::setup();
}
