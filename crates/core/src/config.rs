//! Settings of the measuring and judging, as the JavaScript side hands them over: complete, validated once.
//!
//! Every field's default stands in `lib/options.js`, that of a trigger's in [`crate::trigger::read()`]; nowhere else.

use crate::trigger::Trigger;
use serde::Deserialize;

/// Everything [`crate::Monitor`] needs to know.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    /// Most routes told apart; later ones are counted as `other`. 1 to 5 000.
    pub max_routes: u16,
    /// Length of a window, ms.
    pub window_ms: u64,
    /// Readings of this long after the start are kept out of the attribution, ms.
    pub warm_up_ms: u64,
    /// The event loop's sign of life comes this often, ms.
    #[serde(default = "tick_ms")]
    pub tick_ms: u64,
    /// The app collects twice in a row for a floor; then no other collection is one.
    #[serde(default)]
    pub forced_floors: bool,
    /// Series are kept, for those who look at them over HTTP.
    #[serde(default)]
    pub series: bool,
    /// The triggers.
    pub triggers: Vec<Trigger>,
}

/// The default of `tickMs`.
const fn tick_ms() -> u64 {
    250
}
