//! Completions and manual pages come from the command line's own types, so they know every subcommand.

use std::process::{Command, Output};

use clap::CommandFactory as _;

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_csp-profile")).args(arguments).output().expect("the binary runs")
}

fn text(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn subcommands() -> Vec<String> {
    csp_profile::cli::Cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect()
}

#[test]
fn completions_know_every_subcommand() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = text(&["completions", shell]);
        for name in subcommands() {
            assert!(script.contains(&name), "{shell} does not know {name}");
        }
        assert!(script.contains("convention"), "{shell} does not know the options of analyze");
    }
}

#[test]
fn bash_accepts_its_completions() {
    let script = text(&["completions", "bash"]);
    let checked = Command::new("bash").args(["-n", "-c", &script]).status().expect("bash is there");
    assert!(checked.success());
}

#[test]
fn every_subcommand_has_a_manual_page_that_the_main_page_names() {
    let main = text(&["man"]);
    assert!(main.contains(".TH csp-profile 1"));
    for name in subcommands() {
        let page = text(&["man", &name]);
        assert!(page.contains(&format!(".TH csp-profile-{name} 1")), "{name}");
        assert!(
            main.replace('\\', "").contains(&format!("csp-profile-{name}(1)")),
            "{name} is not on the main page"
        );
    }
    let unknown = run(&["man", "analize"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("did you mean `analyze`?"));
}
