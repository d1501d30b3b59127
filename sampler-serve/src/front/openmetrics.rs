// SPDX-License-Identifier: MIT OR Apache-2.0

//! Writes metrics as OpenMetrics 1.0 or as the older text format 0.0.4 of Prometheus.
//!
//! They differ in what is needed here: OpenMetrics names the family of a counter without
//! `_total`, knows units and the type `info`, and ends with `# EOF`.

use std::fmt::Write;

/// In which of the two formats to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exposition {
    /// `application/openmetrics-text; version=1.0.0`.
    OpenMetrics,
    /// `text/plain; version=0.0.4`.
    Text,
}

/// What type of metric a family has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MetricType {
    /// It only grows. Its name ends in `_total`.
    Counter,
    /// It goes up and down.
    Gauge,
    /// A 1 whose labels say something. Its name ends in `_info`.
    Info,
}

/// Metrics as text.
#[derive(Debug)]
pub(crate) struct Metrics {
    exposition: Exposition,
    text: String,
}

/// A family of metrics: its name without `_total` or `_info`, its unit, its help text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Family<'a> {
    /// Its type.
    pub(crate) metric_type: MetricType,
    /// Its name, which ends in its unit if it has one.
    pub(crate) name: &'a str,
    /// `seconds`, `bytes`, `ratio`; empty for a number of things.
    pub(crate) unit: &'a str,
    /// What it is, in a sentence.
    pub(crate) help: &'a str,
}

impl Exposition {
    /// Chooses by an `Accept` header. OpenMetrics has to be asked for; quality values are
    /// compared only between the two.
    #[must_use]
    pub(crate) fn from_accept(accept: &str) -> Self {
        let quality = |wanted: &str| {
            let of = |part: &str| {
                let mut words = part.split(';').map(str::trim);
                if words.next()? != wanted {
                    return None;
                }
                let q = words.find_map(|word| word.strip_prefix("q="));
                q.map_or(Some(1.0), |q| q.parse::<f32>().ok())
            };
            let qualities = accept.split(',').filter_map(of);
            qualities.fold(0.0, f32::max)
        };
        let open = quality("application/openmetrics-text");
        if open > 0.0 && open >= quality("text/plain") {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }

    /// Its type.
    #[must_use]
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

impl Metrics {
    /// Begins.
    #[must_use]
    pub(crate) fn new(exposition: Exposition) -> Self {
        Self {
            exposition,
            text: String::new(),
        }
    }

    /// Writes a family with one metric that has no labels.
    pub(crate) fn one(&mut self, family: Family<'_>, value: f64) {
        self.family(family, [(&[][..], value)]);
    }

    /// Writes a family with several metrics, each with its labels.
    pub(crate) fn family<'a>(
        &mut self,
        family: Family<'_>,
        metrics: impl IntoIterator<Item = (&'a [(&'a str, &'a str)], f64)>,
    ) {
        let Family {
            metric_type,
            name,
            unit,
            help,
        } = family;
        let suffix = match metric_type {
            MetricType::Counter => "_total",
            MetricType::Gauge => "",
            MetricType::Info => "_info",
        };
        let is_open = self.exposition == Exposition::OpenMetrics;
        let of_family = if is_open { "" } else { suffix };
        let word = match metric_type {
            MetricType::Counter => "counter",
            MetricType::Gauge => "gauge",
            MetricType::Info if is_open => "info",
            MetricType::Info => "gauge",
        };
        self.line(format_args!("# TYPE {name}{of_family} {word}"));
        if is_open && !unit.is_empty() {
            self.line(format_args!("# UNIT {name} {unit}"));
        }
        let help = escape(help, is_open);
        self.line(format_args!("# HELP {name}{of_family} {help}"));
        for (labels, value) in metrics {
            let labels: Vec<_> = labels
                .iter()
                .map(|(label, value)| format!("{label}=\"{}\"", escape(value, true)))
                .collect();
            match labels.len() {
                0 => self.line(format_args!("{name}{suffix} {value}")),
                _ => self.line(format_args!(
                    "{name}{suffix}{{{}}} {value}",
                    labels.join(",")
                )),
            }
        }
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing into a string cannot fail.
        let _ = writeln!(self.text, "{line}");
    }

    /// Ends.
    #[must_use]
    pub(crate) fn finish(mut self) -> String {
        if self.exposition == Exposition::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}

/// Escapes what would end a line or a label.
fn escape(text: &str, quotes: bool) -> String {
    let text = text.replace('\\', "\\\\").replace('\n', "\\n");
    match quotes {
        true => text.replace('"', "\\\""),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(exposition: Exposition) -> String {
        let mut metrics = Metrics::new(exposition);
        let samples = Family {
            metric_type: MetricType::Counter,
            name: "pyebpf_samples",
            unit: "",
            help: "Samples.",
        };
        let labels = [("fate", "a\"b\\c\nd")];
        metrics.family(samples, [(&labels[..], 3.0)]);
        let memory = Family {
            metric_type: MetricType::Gauge,
            name: "pyebpf_memory_bytes",
            unit: "bytes",
            help: "Memory.",
        };
        metrics.one(memory, 1.5e9);
        metrics.finish()
    }

    #[test]
    fn both_formats_are_written_as_their_readers_want_them() {
        assert_eq!(
            written(Exposition::OpenMetrics),
            "# TYPE pyebpf_samples counter\n\
             # HELP pyebpf_samples Samples.\n\
             pyebpf_samples_total{fate=\"a\\\"b\\\\c\\nd\"} 3\n\
             # TYPE pyebpf_memory_bytes gauge\n\
             # UNIT pyebpf_memory_bytes bytes\n\
             # HELP pyebpf_memory_bytes Memory.\n\
             pyebpf_memory_bytes 1500000000\n\
             # EOF\n"
        );
        let text = written(Exposition::Text);
        assert!(
            text.starts_with("# TYPE pyebpf_samples_total counter\n"),
            "{text}"
        );
        assert!(!text.contains("EOF") && !text.contains("UNIT"), "{text}");
    }

    #[test]
    fn the_format_is_the_one_that_is_asked_for() {
        // What Prometheus 2.42 sends.
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let of = Exposition::from_accept;
        assert_eq!(of(prometheus), Exposition::OpenMetrics);
        assert_eq!(
            of("text/plain, application/openmetrics-text;q=0.5"),
            Exposition::Text
        );
        for accept in ["", "*/*", "text/html", "application/openmetrics-text;q=0"] {
            assert_eq!(of(accept), Exposition::Text, "{accept}");
        }
    }
}
