//! The console blocks of README.md show what the commands really print.
//!
//! `TRYCMD=overwrite cargo test --test readme` writes them anew.

#[test]
fn what_the_readme_shows_is_true() {
    // Under GitHub Actions `check` would add annotations.
    trycmd::TestCases::new().env("GITHUB_ACTIONS", "false").case("README.md");
}
