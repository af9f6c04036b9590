//! The device that networks run on.

use candle_core::Device;

/// What runs the ops. Cargo.toml wants exactly this version of it.
pub(in crate::commands) const LIBRARY: &str = "candle 0.11.1";

/// The name of a card, by its driver, or of the processor.
pub(in crate::commands) fn name(device: &Device) -> String {
    card(device).unwrap_or_else(processor)
}

#[cfg(feature = "cuda")]
fn card(device: &Device) -> Option<String> {
    let card = device.as_cuda_device().ok()?;
    Some(card.cuda_stream().context().name().unwrap_or_else(|_| "the first CUDA device".into()))
}

#[cfg(not(feature = "cuda"))]
fn card(_: &Device) -> Option<String> {
    None
}

/// A card's driver.
pub(in crate::commands) fn driver(device: &Device) -> Option<String> {
    line("/proc/driver/nvidia/version", "NVRM version").filter(|_| !device.is_cpu())
}

/// A line of a file of the system, after its colon where it has one.
fn line(path: &str, key: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':').map_or(line, |(_, value)| value).trim().to_owned())
}

/// The processor's name, or its architecture where the system does not tell.
fn processor() -> String {
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

#[cfg(test)]
mod tests {
    /// The program cannot ask its library for a version.
    #[test]
    fn the_library_is_the_one_that_is_built_in() {
        let (name, version) = super::LIBRARY.split_once(' ').unwrap();
        let wanted = format!("\n{name}-core = {{ version = \"={version}\", optional = true }}\n");
        assert!(include_str!("../../../Cargo.toml").contains(&wanted), "{wanted}");
    }
}
