/// ln(Σ e^term) without overflow, in one pass.
pub(crate) struct LogSum {
    largest: f64,
    scaled: f64,
}

impl Default for LogSum {
    fn default() -> Self {
        Self {
            largest: f64::NEG_INFINITY,
            scaled: 0.0,
        }
    }
}

impl LogSum {
    pub(crate) fn add(&mut self, term: f64) {
        if term <= self.largest {
            self.scaled += (term - self.largest).exp();
        } else {
            self.scaled = self.scaled * (self.largest - term).exp() + 1.0;
            self.largest = term;
        }
    }

    pub(crate) fn ln(&self) -> f64 {
        self.largest + self.scaled.ln()
    }
}
