//! Panics of the addon: nothing is printed, and the last one's place is kept for whoever tells of it.
//!
//! The hook is that of the standard library inside the addon; other addons and Node have their own.

use parking_lot::Mutex;
use std::panic::PanicHookInfo;
use std::sync::Once;

static LAST: Mutex<Option<String>> = Mutex::new(None);
static HOOK: Once = Once::new();

/// From now on a panic prints nothing. Again: nothing.
pub fn keep_quiet() {
    HOOK.call_once(|| std::panic::set_hook(Box::new(|info| *LAST.lock() = Some(text(info)))));
}

/// Where the last panic was, and what it said.
pub fn last() -> String {
    LAST.lock().clone().unwrap_or_else(|| "at an unknown place".to_owned())
}

fn text(info: &PanicHookInfo<'_>) -> String {
    let payload = info.payload();
    let said = payload.downcast_ref::<&str>().copied();
    let said = said.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
    match info.location() {
        Some(place) => format!("{}:{}: {said}", place.file(), place.line()),
        None => said.to_owned(),
    }
}
