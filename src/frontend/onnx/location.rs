//! Where external data may lie: in the folder of the model or below. An analysis never opens it; whoever does asks
//! here first, for a model may come from a stranger.

/// The path of external data, relative to the model's folder and without detours.
///
/// # Errors
/// Why the location must not be opened. What the folder holds is not looked at: links in it are for the caller to
/// judge.
pub(crate) fn below_model(location: &str) -> Result<String, String> {
    let refuse = |why: &str| Err(format!("external data at `{location}`, which {why}"));
    if location.is_empty() {
        return Err("external data at no location".into());
    }
    if location.contains('\0') {
        return refuse("holds a zero byte");
    }
    // On Windows either slash separates, and elsewhere no exporter puts a backslash into a name.
    if location.contains('\\') {
        return refuse("has backslashes; ONNX separates folders by `/`");
    }
    if location.starts_with('/') {
        return refuse("is an absolute path");
    }
    // A drive, a stream of a file, or the scheme of an address.
    if location.contains(':') {
        return refuse("has a colon: a drive or an address");
    }
    let parts: Vec<&str> = location.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    // Windows drops dots and spaces at the end of a name, so that `.. ` is `..`.
    if parts.iter().any(|part| part.trim_end_matches([' ', '.']).is_empty()) {
        return refuse("leaves the model's folder");
    }
    if parts.is_empty() {
        return refuse("is the model's folder");
    }
    Ok(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_below_the_model_are_fine() {
        for (location, path) in [
            ("weights.bin", "weights.bin"),
            ("./model.onnx.data", "model.onnx.data"),
            ("data/./w//1.bin", "data/w/1.bin"),
            (".hidden", ".hidden"),
            ("a..b/...c", "a..b/...c"),
            ("\u{6743}\u{91cd}.bin", "\u{6743}\u{91cd}.bin"),
        ] {
            assert_eq!(below_model(location).as_deref(), Ok(path));
        }
    }

    #[test]
    fn places_elsewhere_are_refused() {
        for location in [
            "",
            "/",
            ".",
            "./",
            "..",
            "../w",
            "a/../../w",
            "a/..",
            "a/../b",
            ".. /w",
            ".../w",
            "/etc/passwd",
            "//host/share",
            "C:w",
            "C:/w",
            "c:\\w",
            "..\\w",
            "a\\..\\w",
            "\\\\host\\share",
            "file:///etc/passwd",
            "https://host/w",
            "w:stream",
            "w\0.bin",
        ] {
            assert!(below_model(location).is_err(), "{location:?}");
        }
    }
}
