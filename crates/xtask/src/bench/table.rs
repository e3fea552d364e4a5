//! Figures of several rounds and several servers, shown as medians.

use std::collections::BTreeMap;
use std::fmt;

/// Figures by row and server, in the order in which the rows came.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<String>,
    figures: BTreeMap<(String, String), Vec<f64>>,
}

impl Table {
    /// Notes one figure.
    pub(crate) fn note(&mut self, row: &str, server: &str, figure: f64) {
        println!("   {row}: {server} {figure:.3}");
        if !self.rows.iter().any(|known| known == row) {
            self.rows.push(row.to_owned());
        }
        self.figures
            .entry((row.to_owned(), server.to_owned()))
            .or_default()
            .push(figure);
    }

    fn median(&self, row: &str, server: &str) -> Option<f64> {
        median(self.figures.get(&(row.to_owned(), server.to_owned()))?)
    }
}

/// The middle figure.
pub(crate) fn median(figures: &[f64]) -> Option<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

/// The figure below which `percent` of all are.
pub(crate) fn percentile(figures: &[f64], percent: usize) -> Option<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
        .get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1)))
        .copied()
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut servers: Vec<&String> = self.figures.keys().map(|(_, server)| server).collect();
        servers.sort();
        servers.dedup();
        write!(f, "\n| median |")?;
        servers
            .iter()
            .try_for_each(|server| write!(f, " {server} |"))?;
        write!(f, " peer / Caramel |\n|---|---|")?;
        servers.iter().try_for_each(|_| write!(f, "---|"))?;
        for row in &self.rows {
            write!(f, "\n| {row} |")?;
            for server in &servers {
                match self.median(row, server) {
                    Some(figure) => write!(f, " {figure:.3} |")?,
                    None => write!(f, " – |")?,
                }
            }
            match (self.median(row, "peer"), self.median(row, "caramel")) {
                (Some(peer), Some(caramel)) if caramel > 0.0 => {
                    write!(f, " {:.2} |", peer / caramel)?;
                }
                _ => write!(f, " – |")?,
            }
        }
        Ok(())
    }
}
