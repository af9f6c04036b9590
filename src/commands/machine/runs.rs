//! The device that networks run on.

/// What runs the ops, with its version.
pub(in crate::commands) const LIBRARY: &str = "candle 0.11.1";

/// A line of a file of the system, after its colon where it has one.
pub(in crate::commands) fn line(path: &str, key: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':').map_or(line, |(_, value)| value).trim().to_owned())
}

/// The processor's name, or its architecture where the system does not tell.
pub(in crate::commands) fn processor() -> String {
    line("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.into())
}

/// How many threads waited or ran, on average over the last minute.
pub(in crate::commands) fn load() -> Option<f64> {
    line("/proc/loadavg", "")?.split(' ').next()?.parse().ok()
}

/// Bytes of the processor's last-level cache.
pub(in crate::commands) fn cache() -> Option<u64> {
    let sizes = (0..8).filter_map(|index| {
        let text = line(&format!("/sys/devices/system/cpu/cpu0/cache/index{index}/size"), "")?;
        let (digits, unit) = text.split_at(text.find(|letter: char| !letter.is_ascii_digit())?);
        let unit = match unit {
            "K" => 1 << 10,
            "M" => 1 << 20,
            _ => return None,
        };
        digits.parse::<u64>().ok()?.checked_mul(unit)
    });
    sizes.max()
}
