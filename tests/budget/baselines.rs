//! Changes against a report and against another revision.

use std::process::Command;

use super::{NET, Place, Ran, ran, rows};

const CHANGE: &str = r#"{"metric": "macs", "max_change": "+1 %"}"#;

fn statuses(ran: &Ran) -> Vec<String> {
    rows(ran).iter().map(|row| row["status"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn changes_are_held_against_a_report() {
    // MACs grow from 202,752 to 228,096 with width 9: 12.5 %, 25,344.
    for (limit, status) in [
        (r#"{"metric": "macs", "max_change": "+12.5 %"}"#, "holds"),
        (r#"{"metric": "macs", "max_change": "+12.4 %"}"#, "violated"),
        (r#"{"metric": "macs", "max_change": "+0"}"#, "violated"),
        (r#"{"metric": "macs", "max_change": "-5 %"}"#, "violated"),
        (r#"{"metric": "macs", "max_change": "+25,344"}"#, "holds"),
        (r#"{"metric": "macs", "max_change": "+25343 MACs"}"#, "violated"),
        (r#"{"metric": "macs", "min_change": "+12.5 %"}"#, "holds"),
        (r#"{"metric": "macs", "min_change": "+20 %"}"#, "violated"),
        (r#"{"metric": "macs", "min_change": "-5 %"}"#, "holds"),
        (r#"{"metric": "macs", "layers": "*", "max_change": "+12.5 %"}"#, "holds"),
        (r#"{"metric": "macs", "stage": "body", "max_change": "+12.5 %"}"#, "holds"),
        (r#"{"metric": "macs", "op": "conv2d", "max_change": "+12 %"}"#, "violated"),
        (r#"{"metric": "weight_bytes", "max_change": "+0.001 MB"}"#, "holds"),
        (r#"{"metric": "gradient.set_ratio", "max_change": "+0.5 pp"}"#, "holds"),
        (r#"{"metric": "gradient.paths_to_input", "max_change": "+0"}"#, "holds"),
    ] {
        let place = Place::with(limit);
        let report = place.run(&["analyze", "net.json", "--format", "json"]);
        place.write("base/old.json", &report.out);
        place.write("net.json", &NET.replace("\"width\": 8", "\"width\": 9"));
        let by_flag = place.run(&["check", "--format", "json", "--baseline", "base/old.json"]);
        assert_eq!(statuses(&by_flag), [status], "{limit}\n{}", by_flag.err);
        assert_eq!(by_flag.code, i32::from(status == "violated"));
        // From the budget, relative to it.
        place.write("base/net.json", &place.read("net.json"));
        let budget = format!("{{\"baseline\": \"old.json\", \"limits\": [{limit}]}}");
        place.write("base/net.budget.json", &budget);
        let by_file = place.run(&["check", "base/net.json", "--format", "json"]);
        assert_eq!(statuses(&by_file), [status], "{limit}\n{}", by_file.err);
        let off = place.run(&["check", "net.json", "--format", "json", "--baseline", "none"]);
        assert_eq!((statuses(&off), off.code), (vec!["skipped".to_owned()], 0));
    }
}

#[test]
fn a_report_without_the_figure_is_an_error_and_without_the_part_is_new() {
    let place = Place::with(r#"{"metric": "macs", "stage": "body", "max_change": "+0"}"#);
    let report = place.run(&["analyze", "net.json", "--format", "json"]).out;
    place.write("old.json", &report.replace("\"body\"", "\"other\""));
    let ran = place.run(&["check", "--format", "json", "--baseline", "old.json"]);
    assert_eq!((statuses(&ran), ran.code), (vec!["new".to_owned()], 0));
    place.write("old.json", &report.replace("\"macs\"", "\"mads\""));
    let ran = place.run(&["check", "--baseline", "old.json"]);
    assert_eq!((ran.code, ran.err.contains("the baseline has no figure `macs`")), (2, true), "{}", ran.err);
}

/// A repository with the network in a folder, committed once.
struct Repository(Place);

impl Repository {
    fn new(limits: &str) -> Self {
        let repository = Self(Place::new());
        repository.git(&["init", "-q", "-b", "main"]);
        repository.0.write("nets/net.json", NET);
        repository.0.write("nets/net.budget.json", &format!("{{\"limits\": [{limits}]}}\n"));
        repository.commit();
        repository
    }

    fn git(&self, args: &[&str]) {
        let mut command = Command::new("git");
        command
            .current_dir(self.0.0.path())
            .args(["-c", "user.name=t", "-c", "user.email=t@localhost"])
            .args(args);
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
            command.env_remove(name);
        }
        let ran = ran(&mut command);
        assert_eq!(ran.code, 0, "git {args:?}: {}", ran.err);
    }

    fn commit(&self) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", "x"]);
    }

    fn check(&self, revision: &str) -> Ran {
        self.0.run(&["check", "--format", "json", "--baseline", revision])
    }
}

#[test]
fn a_revision_is_read_from_the_repository() {
    let repository = Repository::new(CHANGE);
    let place = &repository.0;
    assert_eq!(statuses(&repository.check("git:HEAD")), ["holds"]);
    place.write("nets/net.json", &NET.replace("\"width\": 8", "\"width\": 16"));
    let ran = repository.check("git:main");
    assert_eq!((statuses(&ran), ran.code), (vec!["violated".to_owned()], 1));
    let row = &rows(&ran)[0];
    assert_eq!((row["baseline_value"].as_u64(), row["value"].as_u64()), (Some(202_752), Some(405_504)));
    repository.commit();
    assert_eq!(statuses(&repository.check("git:HEAD")), ["holds"]);
    assert_eq!(statuses(&repository.check("git:HEAD~1")), ["violated"]);
    // From another folder, through a link, from a hook's environment.
    let mut inside = super::command(&["check", "net.json", "--format", "json", "--baseline", "git:HEAD~1"]);
    inside.current_dir(place.path("nets")).env("GIT_DIR", ".git").env("GIT_INDEX_FILE", "x");
    assert_eq!(statuses(&ran_of(&mut inside)), ["violated"]);
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(place.path("nets/net.json"), place.path("link.json")).unwrap();
        place.write("link.budget.json", &place.read("nets/net.budget.json"));
        let linked = place.run(&["check", "link.json", "--format", "json", "--baseline", "git:HEAD~1"]);
        assert_eq!(statuses(&linked), ["violated"], "{}", linked.err);
        std::fs::remove_file(place.path("link.json")).unwrap();
        std::fs::remove_file(place.path("link.budget.json")).unwrap();
    }
    // Under another name.
    repository.git(&["mv", "nets/net.json", "nets/renamed.json"]);
    repository.git(&["mv", "nets/net.budget.json", "nets/renamed.budget.json"]);
    assert_eq!(statuses(&repository.check("git:HEAD")), ["new"]);
    assert_eq!(statuses(&repository.check("git:HEAD~1:nets/net.json")), ["violated"]);
}

fn ran_of(command: &mut Command) -> Ran {
    ran(command)
}

#[test]
fn a_network_that_the_revision_does_not_have_is_new() {
    let repository = Repository::new(CHANGE);
    let place = &repository.0;
    place.write("nets/fresh.json", NET);
    place.write("nets/fresh.budget.json", &place.read("nets/net.budget.json"));
    let ran = place.run(&["check", "nets/fresh.json", "--format", "json", "--baseline", "git:main"]);
    assert_eq!((statuses(&ran), ran.code), (vec!["new".to_owned()], 0), "{}", ran.err);
    let ran = place.run(&["check", "nets/fresh.json", "--format", "markdown", "--baseline", "git:main"]);
    assert!(ran.out.contains("git:main does not have this network yet."), "{}", ran.out);
}

#[test]
fn what_git_cannot_give_is_told() {
    let repository = Repository::new(CHANGE);
    let place = &repository.0;
    let told = |revision: &str, code: i32, message: &str| {
        let ran = repository.check(revision);
        assert_eq!(ran.code, code, "{revision}: {}", ran.err);
        assert!(ran.err.contains(message), "{revision}: {}", ran.err);
    };
    told("git:origin/main", 2, "the repository has no revision `origin/main`");
    told("git:origin/main", 2, "`git fetch origin main`");
    told("git:HEAD:nets", 2, "`git:HEAD:nets` is no file");
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n";
    place.write("nets/net.json", pointer);
    repository.commit();
    place.write("nets/net.json", NET);
    told("git:HEAD", 2, "`git:HEAD:nets/net.json` is a Git LFS pointer, not the file itself");
    place.write("nets/net.json", "{\"layers\": 1}");
    repository.commit();
    place.write("nets/net.json", NET);
    told("git:HEAD", 2, "the baseline `git:HEAD:nets/net.json` cannot be read");
    #[cfg(unix)]
    {
        std::fs::remove_file(place.path("nets/net.json")).unwrap();
        std::os::unix::fs::symlink("elsewhere.json", place.path("nets/net.json")).unwrap();
        repository.commit();
        std::fs::remove_file(place.path("nets/net.json")).unwrap();
        place.write("nets/net.json", NET);
        told("git:HEAD", 2, "`git:HEAD:nets/net.json` is a symbolic link");
    }
    // Without the program, and without a repository.
    let empty = Place::new();
    let mut without = place.command(&["check", "--baseline", "git:HEAD"]);
    let found = ran(without.env("PATH", empty.0.path()));
    assert_eq!((found.code, found.err.contains("needs the program `git`")), (3, true), "{}", found.err);
    let outside = Place::with(CHANGE);
    let mut outside = outside.command(&["check", "--baseline", "git:HEAD"]);
    let found = ran(outside.env("GIT_CEILING_DIRECTORIES", "/"));
    assert_eq!((found.code, found.err.contains("needs a git repository")), (2, true), "{}", found.err);
}
