//! What this machine says of itself: what runs networks, and under which load.

use std::time::{SystemTime, UNIX_EPOCH};

#[cfg(feature = "exec")]
pub(super) mod runs;

/// Today in UTC, as `2026-11-28`.
pub(super) fn today() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    date(seconds / 86_400)
}

/// The date of a day since 1970: Howard Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`.
fn date(days: u64) -> String {
    let since_0000 = days + 719_468;
    let (era, day_of_era) = (since_0000 / 146_097, since_0000 % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Years begin in March.
    let months = (5 * day_of_year + 2) / 153;
    let (day, month) =
        (day_of_year - (153 * months + 2) / 5 + 1, if months < 10 { months + 3 } else { months - 9 });
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_of_leap_years_and_others() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!((date(11_016), date(11_017)), ("2000-02-29".into(), "2000-03-01".into()));
        assert_eq!((date(20_784), date(20_819)), ("2026-11-27".into(), "2027-01-01".into()));
    }
}
