use super::rules::{is_doubled, is_less_computation, is_nearly_half, is_two_thirds, saves_at_most_half};
use super::*;

const PAGE: &str = include_str!("../commands/explain/claims.md");

fn stages(holds: &[Option<bool>]) -> Vec<StageFigure> {
    let figure = Figure { name: "f", base: None, csp: None };
    holds.iter().map(|&holds| StageFigure { stage: "s".into(), figure: figure.clone(), holds }).collect()
}

#[test]
fn verdicts_follow_from_the_network_and_then_from_stages() {
    use Verdict::{DoesNotHold, Holds, HoldsPerStage, NotJudged};
    for (whole, parts, verdict) in [
        (Some(true), &[][..], Holds),
        (Some(true), &[Some(false)], Holds),
        (Some(false), &[Some(false), Some(true)], HoldsPerStage),
        (Some(false), &[Some(false), None], DoesNotHold),
        (Some(false), &[], DoesNotHold),
        (None, &[None], NotJudged),
        (None, &[Some(true)], HoldsPerStage),
        (None, &[Some(false)], DoesNotHold),
    ] {
        assert_eq!(Verdict::of(whole, &stages(parts)), verdict, "{whole:?} {parts:?}");
    }
    for (parts, verdict) in [
        (&[Some(true), None, Some(true)][..], Holds),
        (&[Some(true), Some(false)], HoldsPerStage),
        (&[Some(false), Some(true)], HoldsPerStage),
        (&[Some(false), None], DoesNotHold),
        (&[None], NotJudged),
        (&[], NotJudged),
    ] {
        assert_eq!(Verdict::of_stages(&stages(parts)), verdict, "{parts:?}");
    }
}

#[test]
fn thresholds_are_where_the_formulas_say() {
    assert!(is_less_computation(1000, 900) && !is_less_computation(1000, 901));
    assert!(is_nearly_half(1000, 600) && !is_nearly_half(1000, 601));
    assert!(is_two_thirds(12_582_912, 8_388_608) && !is_two_thirds(3, 3));
    assert!(saves_at_most_half(1000, 500) && saves_at_most_half(1000, 999));
    assert!(!saves_at_most_half(1000, 499) && !saves_at_most_half(1000, 1000));
    // 2^n + 1 are no twice 2^n but for n = 0.
    let power = |n: u32| BigUint::from(2u32).pow(n);
    assert!(is_doubled(&power(0), &(power(0) + 1u32)) && !is_doubled(&power(3), &(power(3) + 1u32)));
}

#[test]
fn figures_over_others() {
    assert_eq!(Value::Count(3).over(&Value::Count(4)), Some(0.75));
    assert_eq!(Value::Count(3).over(&Value::Count(0)), None);
    let paths = |n: u32| Value::Paths(BigUint::from(2u32).pow(n));
    assert_eq!(paths(1001).over(&paths(1000)), Some(2.0));
}

#[test]
fn the_page_has_every_claim_in_order() {
    let squeezed = PAGE.split_whitespace().collect::<Vec<_>>().join(" ");
    for (index, rule) in CLAIMS.iter().enumerate() {
        assert!(PAGE.contains(&format!("\n## {} ", index + 1)), "{}", rule.key);
        for words in rule.quote.split('"').skip(1).step_by(2) {
            assert!(squeezed.contains(words), "the page does not quote `{words}`");
        }
    }
    assert!(PAGE.lines().all(|line| line.chars().count() <= 80));
}
