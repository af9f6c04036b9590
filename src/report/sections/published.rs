//! Published figures and what became of them.

use crate::published::Verdict;
use crate::report::sheet::{Cell, Sheet};
use crate::report::{Report, verdict_name};

/// The published figures and what became of them: all, or only those that do not hold.
pub fn sheet(report: &Report<'_>, all: bool) -> Sheet {
    let judged: Vec<_> = report.applying().map(|fact| (fact, report.judge(fact))).collect();
    let count = |verdict: Verdict| judged.iter().filter(|(_, found)| *found == verdict).count();
    let shown = judged
        .iter()
        .filter(|(_, verdict)| all || matches!(verdict, Verdict::Fails | Verdict::DiffersAsStated));
    let mut notes = Vec::new();
    let rows: Vec<Vec<Cell>> = shown
        .map(|(fact, verdict)| {
            if let Some(difference) = &fact.differs {
                notes.push(format!("{} {}: {}", fact.label(), fact.value.text, difference.reason));
            }
            let ours = report.value(&fact.metric, fact.convention.as_deref());
            vec![
                Cell::Name(fact.label()),
                Cell::Text(fact.value.text.clone()),
                Cell::Text(ours.map_or("-".into(), |ours| fact.value.format(ours, fact.rounding))),
                Cell::Text(verdict_name(*verdict).into()),
                Cell::Name(fact.source.clone()),
            ]
        })
        .collect();
    let verdicts = [
        (Verdict::Holds, "to every printed digit"),
        (Verdict::DiffersAsStated, "for a stated reason"),
        (Verdict::Fails, "although they should hold"),
        (Verdict::Recorded, "only, as nothing computes them"),
    ];
    let counted: Vec<String> = verdicts
        .iter()
        .filter(|(verdict, _)| count(*verdict) > 0)
        .map(|(verdict, remark)| {
            format!("{} {}{}", count(*verdict), verb(*verdict, count(*verdict)), format_args!(" {remark}"))
        })
        .collect();
    let list = if all { "" } else { " (`--sections published` lists them)" };
    notes.insert(0, format!("{} figures: {}{list}", judged.len(), counted.join(", ")));
    let elsewhere = report.facts.len() - judged.len();
    if elsewhere > 0 {
        notes.push(format!("{elsewhere} more hold for other parameters or inputs; the file lists them"));
    }
    Sheet {
        title: "Published figures".into(),
        columns: vec!["figure", "published", "ours", "verdict", "source"],
        rows,
        notes,
    }
}

fn verb(verdict: Verdict, count: usize) -> &'static str {
    match (verdict, count) {
        (Verdict::Holds, 1) => "holds",
        (Verdict::Holds, _) => "hold",
        (Verdict::DiffersAsStated, 1) => "differs",
        (Verdict::DiffersAsStated, _) => "differ",
        (Verdict::Fails, 1) => "fails",
        (Verdict::Fails, _) => "fail",
        (Verdict::Recorded, _) => "recorded",
    }
}
