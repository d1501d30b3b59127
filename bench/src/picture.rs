// SPDX-License-Identifier: MIT OR Apache-2.0

//! Draws the curves of growth as one SVG picture of four panels with linear scales.
//! Curves that were not measured are left out.

use std::fmt::Write as _;

use serde_json::Value;

use super::chance::line;
use super::goals::points;

const WIDTH: f64 = 440.0;
const HEIGHT: f64 = 270.0;
/// The margins around a panel's plot: left, top, right, bottom.
const MARGINS: [f64; 4] = [56.0, 34.0, 18.0, 44.0];
/// Two hues that colour-blind people can tell apart, dark enough on white.
const COLOURS: [&str; 2] = ["#0b5cad", "#c2410c"];

/// A panel: its title, the label below the x axis, and the names and labels of its
/// curves.
struct Panel {
    title: &'static str,
    below: &'static str,
    curves: &'static [(&'static str, &'static str)],
}

const PANELS: [Panel; 4] = [
    Panel {
        title: "CPU time of one stack, µs, at 1000 Hz",
        below: "frames",
        curves: &[("depth, cpu", "--mode cpu")],
    },
    Panel {
        title: "Threads that sleep: % of one CPU at 100 Hz",
        below: "threads, beside a busy one",
        curves: &[
            ("idle threads, cpu", "--mode cpu"),
            ("idle threads, wall", "--mode wall"),
        ],
    },
    Panel {
        title: "Threads that run: % of one CPU",
        below: "threads",
        curves: &[
            ("running threads, cpu", "--mode cpu, 100 Hz, all busy"),
            ("running threads, wall", "--mode wall, 10 Hz, in turns"),
        ],
    },
    Panel {
        title: "Processes, a little busy: % of one CPU",
        below: "processes",
        curves: &[
            ("processes, cpu", "--mode cpu, 100 Hz"),
            ("processes, wall", "--mode wall, 10 Hz"),
        ],
    },
];

/// Draws a document's curves.
pub(super) fn draw(document: &Value) -> String {
    let (width, height) = (2.0 * WIDTH, 2.0 * HEIGHT);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <title>What pyebpf costs as stacks, threads and processes grow</title>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n"
    );
    for (number, panel) in PANELS.iter().enumerate() {
        let (x, y) = (WIDTH * (number % 2) as f64, HEIGHT * (number / 2) as f64);
        let _ = writeln!(svg, "<g transform=\"translate({x} {y})\">");
        draw_panel(&mut svg, panel, document);
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

/// Maps values to coordinates in a panel.
struct Field {
    most_x: f64,
    most_y: f64,
}

impl Field {
    fn x(&self, value: f64) -> f64 {
        MARGINS[0] + value / self.most_x * (WIDTH - MARGINS[0] - MARGINS[2])
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - MARGINS[3] - value / self.most_y * (HEIGHT - MARGINS[1] - MARGINS[3])
    }
}

fn draw_panel(svg: &mut String, panel: &Panel, document: &Value) {
    let curves: Vec<_> = panel
        .curves
        .iter()
        .filter_map(|(name, label)| Some((find(document, name)?, *label)))
        .collect();
    let (title, below) = (panel.title, panel.below);
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"20\" font-weight=\"bold\">{title}</text>",
        MARGINS[0]
    );
    let numbers = |part: &'static str| {
        let points = curves
            .iter()
            .filter_map(|(curve, _)| curve["points"].as_array());
        points.flatten().filter_map(move |point| match part {
            "count" => point["count"].as_f64(),
            _ => point["cost"]["max"].as_f64(),
        })
    };
    let most = |part| numbers(part).fold(0.0, f64::max);
    let field = Field {
        most_x: most("count").max(1.0),
        most_y: ceiling(most("cost").max(1e-3)),
    };
    grid(svg, &field, below);
    for (index, (curve, label)) in curves.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        draw_curve(svg, &field, curve, colour);
        let y = MARGINS[1] + 14.0 + 16.0 * index as f64;
        let x = MARGINS[0] + 12.0;
        let _ = writeln!(
            svg,
            "<circle cx=\"{x}\" cy=\"{}\" r=\"4\" fill=\"{colour}\"/>\
             <text x=\"{}\" y=\"{y}\" fill=\"{colour}\">{label}</text>",
            y - 4.0,
            x + 10.0
        );
    }
}

fn find<'a>(document: &'a Value, name: &str) -> Option<&'a Value> {
    let curves = document["growth"].as_array()?;
    curves.iter().find(|curve| curve["name"] == name)
}

/// Rounds a value up to the next of 1, 2, 5, 10, ... times a power of ten.
fn ceiling(value: f64) -> f64 {
    let unit = 10f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0];
    let fits = steps.iter().map(|step| step * unit).find(|it| *it >= value);
    fits.unwrap_or(10.0 * unit)
}

fn grid(svg: &mut String, field: &Field, below: &str) {
    const LINES: u32 = 4;
    for number in 0..=LINES {
        let share = f64::from(number) / f64::from(LINES);
        let (value_x, value_y) = (share * field.most_x, share * field.most_y);
        let (x, y) = (field.x(value_x), field.y(value_y));
        let (left, right) = (field.x(0.0), field.x(field.most_x));
        let bottom = field.y(0.0);
        let _ = writeln!(
            svg,
            "<line x1=\"{left}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#444\">{}</text>\
             <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\" fill=\"#444\">{value_x:.0}</text>",
            left - 6.0,
            y + 4.0,
            short(value_y),
            bottom + 16.0,
        );
    }
    let middle = field.x(field.most_x / 2.0);
    let _ = writeln!(
        svg,
        "<text x=\"{middle:.1}\" y=\"{}\" text-anchor=\"middle\" fill=\"#444\">{below}</text>",
        HEIGHT - 10.0
    );
}

/// Formats a number with at most three decimals and no trailing zeros.
fn short(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Draws the points with their whole range, and the straight line that fits them best.
fn draw_curve(svg: &mut String, field: &Field, curve: &Value, colour: &str) {
    let medians = points(curve);
    if let Some(line) = line(&medians) {
        let (from, to) = (line.start.max(0.0), line.start + line.slope * field.most_x);
        let _ = writeln!(
            svg,
            "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\" \
             stroke-dasharray=\"4 3\" opacity=\"0.6\"/>",
            field.x(0.0),
            field.y(from),
            field.x(field.most_x),
            field.y(to.clamp(0.0, field.most_y)),
        );
    }
    for point in curve["points"].as_array().into_iter().flatten() {
        let cost = |name: &str| point["cost"][name].as_f64();
        let (Some(count), Some(median)) = (point["count"].as_f64(), cost("median")) else {
            continue;
        };
        let (x, y) = (field.x(count), field.y(median));
        let ends = [cost("min"), cost("max")].map(|end| field.y(end.unwrap_or(median)));
        let _ = writeln!(
            svg,
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\" \
             stroke-width=\"2\"/><circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"/>",
            ends[0], ends[1],
        );
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{ceiling, draw, short};

    #[test]
    fn every_point_that_was_measured_is_drawn() {
        let cost = json!({"median": 2.0, "min": 1.0, "max": 3.0});
        let document = json!({"growth": [{
            "name": "depth, cpu",
            "points": [{"count": 8, "cost": cost}, {"count": 64, "cost": cost}],
        }]});
        let svg = draw(&document);
        // Two points and one in the legend.
        assert_eq!(svg.matches("<circle").count(), 3, "{svg}");
        assert_eq!(svg.matches("<g ").count(), 4);
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }

    #[test]
    fn scales_end_at_round_numbers() {
        assert_eq!([0.03, 1.0, 2.1, 70.0].map(ceiling), [0.05, 1.0, 5.0, 100.0]);
        assert_eq!([0.25, 2.0, 100.0].map(short), ["0.25", "2", "100"]);
    }
}
