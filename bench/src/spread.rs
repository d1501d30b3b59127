// SPDX-License-Identifier: MIT OR Apache-2.0

//! Sums up the repetitions of one measurement without assuming a distribution.

use serde_json::{Value, json};

use super::chance::{interval, median, quantile, sign_test};

/// The values of all repetitions.
#[derive(Clone, Debug, Default)]
pub(super) struct Spread {
    values: Vec<f64>,
}

impl Spread {
    /// Adds one repetition's value. A value that is not finite, from a division by
    /// zero, is left out as not measured.
    pub(super) fn add(&mut self, value: f64) {
        if value.is_finite() {
            self.values.push(value);
        }
    }

    /// Returns median, quartiles, minimum, maximum, and every value in the order
    /// measured; from six values on, the 95 % interval of the median.
    pub(super) fn to_json(&self) -> Value {
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        let ends = interval(&self.values);
        json!({
            "median": median(&sorted).map(short),
            "quartiles": [quantile(&sorted, 0.25).map(short), quantile(&sorted, 0.75).map(short)],
            "min": sorted.first().copied().map(short),
            "max": sorted.last().copied().map(short),
            "interval95": ends.map(|(low, high)| [short(low), short(high)]),
            "values": self.values.iter().copied().map(short).collect::<Vec<_>>(),
        })
    }

    /// Like [`Spread::to_json`], for ratios, which are 1 if nothing differs: adds the
    /// p-value of a sign test against 1.
    pub(super) fn ratios_to_json(&self) -> Value {
        let mut document = self.to_json();
        document["sign_test"] = json!(sign_test(&self.values, 1.0).map(short));
        document
    }
}

/// Rounds to six digits: more are noise, and fill the document.
fn short(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::Spread;

    fn of(values: &[f64]) -> Spread {
        let mut spread = Spread::default();
        values.iter().for_each(|value| spread.add(*value));
        spread
    }

    #[test]
    fn an_outlier_does_not_move_the_median() {
        let json = of(&[3.0, 1000.0, 1.0, 2.0]).to_json();
        assert_eq!(json["median"], 2.5);
        assert_eq!(json["min"], 1.0);
        assert_eq!(json["max"], 1000.0);
        assert_eq!(json["values"][1], 1000.0);
        assert!(json["interval95"].is_null());
    }

    #[test]
    fn ratios_on_both_sides_of_one_are_no_effect() {
        let ratios = of(&[0.99, 1.01, 1.0, 0.98, 1.02, 1.0, 1.0]).ratios_to_json();
        assert_eq!(ratios["sign_test"], 1.0);
        assert!(ratios["interval95"][0].as_f64() < Some(1.0));
    }

    #[test]
    fn nothing_measured_is_not_zero() {
        assert!(Spread::default().to_json()["median"].is_null());
        assert!(of(&[f64::NAN, f64::INFINITY]).to_json()["median"].is_null());
    }
}
