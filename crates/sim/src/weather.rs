//! What a link does to whatever crosses it.

use core::time::Duration;

use crate::random::Random;

/// What the link does to packets and frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Weather {
    /// Shortest time one takes.
    pub delay: Duration,
    /// How much longer it may take at most; one may overtake another within it.
    pub jitter: Duration,
    /// How many of a thousand are lost.
    pub loss: u16,
    /// How many of a thousand arrive twice.
    pub duplicates: u16,
}

impl Default for Weather {
    fn default() -> Self {
        Self { delay: Duration::from_micros(100), jitter: Duration::ZERO, loss: 0, duplicates: 0 }
    }
}

impl Weather {
    /// When the copies of one thing arrive, counted from when it was sent: none if it is lost.
    pub(crate) fn arrivals(&self, random: &mut Random) -> Vec<Duration> {
        if random.chance(self.loss) {
            return Vec::new();
        }
        let copies = if random.chance(self.duplicates) { 2 } else { 1 };
        let jitter = u64::try_from(self.jitter.as_nanos()).unwrap_or(u64::MAX);
        (0..copies).map(|_| self.delay + Duration::from_nanos(random.below(jitter))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_arrive_as_the_weather_says_and_none_too_early_or_late() {
        let weather = Weather {
            delay: Duration::from_millis(2),
            jitter: Duration::from_millis(3),
            loss: 200,
            duplicates: 100,
        };
        let mut random = Random::new(1);
        let all: Vec<Duration> = (0..10_000).flat_map(|_| weather.arrivals(&mut random)).collect();
        assert!((8_600..9_000).contains(&all.len()), "{}", all.len());
        assert!(all.iter().all(|at| (2..5).contains(&at.as_millis())));
        assert_eq!(Weather::default().arrivals(&mut random), [Duration::from_micros(100)]);
    }
}
