//! A protocol's drawing as Markdown, made from the very function that its session walks.
//!
//! A Mermaid state diagram and the state table. Not here: the arrows (each protocol's `diagram`).

use std::fmt::{self, Debug, Display};

/// What there is to draw. Phases are written as `Debug` writes them.
#[derive(Debug)]
pub struct Drawing<P: 'static, V: 'static, C: 'static> {
    /// The page's heading.
    pub title: &'static str,
    /// What stands above the picture: how it is made, what is left out of it.
    pub preface: &'static str,
    /// What stands above the table: how a field reads.
    pub legend: &'static str,
    /// All phases in the order of a conversation; the first is its begin, the last its end.
    pub phases: &'static [P],
    /// All verbs.
    pub verbs: &'static [V],
    /// The classes of answers that are drawn, with the sign of each.
    pub classes: &'static [(C, &'static str)],
    /// The class that says that a command failed; where it leads nowhere it is not drawn one by
    /// one.
    pub failure: C,
    /// Where a verb answered so leads; `None` where there is no such arrow.
    pub after: fn(P, V, C) -> Option<P>,
    /// True if the picture shows arrows that stay where they are; the table always does.
    pub loops: bool,
    /// True if a verb has its place in a phase.
    pub admits: fn(P, V) -> bool,
    /// The word for a verb.
    pub name: fn(V) -> String,
}

impl<P, V, C> Drawing<P, V, C>
where
    P: Copy + PartialEq + Debug,
    V: Copy,
    C: Copy + PartialEq,
{
    /// What leads from `here` to `there`; empty if nothing does.
    fn label(&self, here: P, there: P) -> String {
        let mut words = Vec::new();
        for &(class, sign) in self.classes {
            let leads = |verb: &&V| (self.after)(here, **verb, class) == Some(there);
            let has_place = |verb: &&V| class != self.failure || (self.admits)(here, **verb);
            let verbs = self.verbs.iter().filter(leads).filter(has_place);
            let verbs: Vec<String> = verbs.map(|verb| (self.name)(*verb)).collect();
            if verbs.is_empty() {
                continue;
            }
            let verbs = if here == there && class == self.failure {
                "any other".to_owned()
            } else {
                verbs.join(", ")
            };
            words.push(format!("{verbs} ({sign})"));
        }
        // Mermaid ends a statement at a semicolon, even in a label.
        words.join(", ")
    }

    /// The table's field: where a verb leads from `here`, by the class of its answer.
    fn field(&self, here: P, verb: V) -> String {
        if !(self.admits)(here, verb) {
            return String::new();
        }
        let arrows = self.classes.iter().filter_map(|&(class, sign)| {
            let there = (self.after)(here, verb, class)?;
            Some(if there == here {
                format!("{sign} =")
            } else {
                format!("{sign} {there:?}")
            })
        });
        arrows.collect::<Vec<_>>().join(", ")
    }

    fn picture(&self, page: &mut fmt::Formatter<'_>) -> fmt::Result {
        page.write_str("```mermaid\nstateDiagram-v2\n")?;
        if let Some(first) = self.phases.first() {
            writeln!(page, "    [*] --> {first:?}")?;
        }
        for &here in self.phases {
            for &there in self.phases {
                let label = self.label(here, there);
                if !label.is_empty() && (here != there || self.loops) {
                    writeln!(page, "    {here:?} --> {there:?}: {label}")?;
                }
            }
        }
        if let Some(last) = self.phases.last() {
            writeln!(page, "    {last:?} --> [*]")?;
        }
        page.write_str("```\n")
    }

    fn table(&self, page: &mut fmt::Formatter<'_>) -> fmt::Result {
        page.write_str("| |")?;
        for phase in self.phases {
            write!(page, " {phase:?} |")?;
        }
        writeln!(page, "\n|---|{}", "---|".repeat(self.phases.len()))?;
        for &verb in self.verbs {
            write!(page, "| {} |", (self.name)(verb))?;
            for &phase in self.phases {
                write!(page, " {} |", self.field(phase, verb))?;
            }
            page.write_str("\n")?;
        }
        Ok(())
    }
}

impl<P, V, C> Display for Drawing<P, V, C>
where
    P: Copy + PartialEq + Debug,
    V: Copy,
    C: Copy + PartialEq,
{
    fn fmt(&self, page: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(page, "# {}\n\n{}\n\n", self.title, self.preface)?;
        self.picture(page)?;
        write!(page, "\n{}\n\n", self.legend)?;
        self.table(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn after(here: char, verb: u8, good: bool) -> Option<char> {
        match (here, verb, good) {
            ('A', 1, true) => Some('B'),
            ('B', 2, true) => Some('C'),
            ('B', 1, true) | ('B', _, false) => Some('B'),
            _ => None,
        }
    }

    #[test]
    fn every_arrow_is_drawn_once() {
        let drawing = Drawing {
            title: "T",
            preface: "P.",
            legend: "L.",
            phases: &['A', 'B', 'C'],
            verbs: &[1, 2],
            classes: &[(true, "+"), (false, "-")],
            failure: false,
            after,
            loops: true,
            admits: |here, verb| after(here, verb, true).is_some(),
            name: |verb| format!("v{verb}"),
        };
        let page = "# T\n\nP.\n\n```mermaid\nstateDiagram-v2\n    [*] --> 'A'\n    \
            'A' --> 'B': v1 (+)\n    'B' --> 'B': v1 (+), any other (-)\n    \
            'B' --> 'C': v2 (+)\n    'C' --> [*]\n```\n\nL.\n\n\
            | | 'A' | 'B' | 'C' |\n|---|---|---|---|\n\
            | v1 | + 'B' | + =, - = |  |\n| v2 |  | + 'C', - = |  |\n";
        assert_eq!(drawing.to_string(), page);
    }
}
