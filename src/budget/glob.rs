//! Patterns for names: `*` is any text, slashes included, `?` any one letter.

/// Longer patterns are refused, so that the time for a name is linear in its length.
pub const MOST_LETTERS: usize = 256;

/// Whether a name is one of a pattern's. Time is at most the product of their lengths: after a mismatch only the last
/// `*` takes one letter more.
pub fn matches(pattern: &str, name: &str) -> bool {
    let (mut rest, mut at) = (pattern.chars(), name.chars());
    // Where to go on after a mismatch: behind the last `*`, one letter later.
    let mut retry = None;
    loop {
        let here = at.clone();
        match (rest.next(), at.next()) {
            (Some('*'), _) => {
                at = here;
                retry = Some((rest.clone(), at.clone()));
            }
            (Some('?'), Some(_)) => {}
            (Some(wanted), Some(letter)) if wanted == letter => {}
            (None, None) => return true,
            _ => {
                let Some((pattern, mut name)) = retry.take() else { return false };
                if name.next().is_none() {
                    return false;
                }
                retry = Some((pattern.clone(), name.clone()));
                (rest, at) = (pattern, name);
            }
        }
    }
}

/// Whether a text has any letter with a meaning in patterns.
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, name, holds) in [
            ("conv1", "conv1", true),
            ("conv1", "conv12", false),
            ("conv?", "conv1", true),
            ("conv?", "conv", false),
            ("stage3/*", "stage3/layer[0]/conv", true),
            ("stage3/*", "stage3", false),
            ("*", "", true),
            ("*/conv2", "a/b/conv2", true),
            ("*/conv2", "a/b/conv22", false),
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "aXbXbXcd", false),
            ("", "", true),
            ("", "a", false),
            ("**", "abc", true),
            ("*?", "", false),
            ("?é*", "aéz", true),
            ("layer[?]", "layer[0]", true),
        ] {
            assert_eq!(matches(pattern, name), holds, "{pattern} {name}");
        }
    }

    /// Against the definition.
    #[test]
    fn all_short_patterns_and_names() {
        fn slow(pattern: &[char], name: &[char]) -> bool {
            match pattern {
                [] => name.is_empty(),
                ['*', rest @ ..] => (0..=name.len()).any(|at| slow(rest, &name[at..])),
                ['?', rest @ ..] => !name.is_empty() && slow(rest, &name[1..]),
                [letter, rest @ ..] => name.first() == Some(letter) && slow(rest, &name[1..]),
            }
        }
        let words = |letters: &[char], most: u32| {
            let mut all = vec![String::new()];
            let mut last = all.clone();
            for _ in 0..most {
                last = last.iter().flat_map(|w| letters.iter().map(move |l| format!("{w}{l}"))).collect();
                all.extend(last.iter().cloned());
            }
            all
        };
        for pattern in words(&['a', 'b', '*', '?'], 5) {
            for name in words(&['a', 'b'], 5) {
                let (p, n): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
                assert_eq!(matches(&pattern, &name), slow(&p, &n), "{pattern} {name}");
            }
        }
    }

    #[test]
    fn many_stars_end_soon() {
        let (pattern, name) = (format!("{}b", "a*".repeat(200)), "a".repeat(20_000));
        let started = std::time::Instant::now();
        assert!(!matches(&pattern, &name));
        assert!(started.elapsed().as_secs() < 5);
    }
}
