//! A queue with its weight, `NAME[,WEIGHT]`: one syntax for flag, environment and file.

use std::fmt;

/// Weights above this are a mistake: the fetch order then is drawn from a long list for nothing.
const WEIGHT_MAX: u32 = 1_000;

/// A queue to fetch from. All queues without a weight: strict order; any weight: drawn by weight (Sidekiq's rule).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// The queue's name as in `queue:<name>`.
    pub name: String,
    /// 1 to 1,000; `None` when none was given.
    pub weight: Option<u32>,
}

impl Queue {
    /// Reads `NAME` or `NAME,WEIGHT`.
    pub fn parse(text: &str) -> Result<Queue, String> {
        let (name, weight) = match text.split_once(',') {
            None => (text, None),
            Some((name, weight)) => {
                let weight = weight
                    .parse::<u32>()
                    .ok()
                    .filter(|weight| (1..=WEIGHT_MAX).contains(weight))
                    .ok_or_else(|| {
                        format!(
                            "\"{text}\" is not NAME or NAME,WEIGHT: the weight must be a whole number from 1 to \
                             {WEIGHT_MAX}; separate several queues by spaces, not commas"
                        )
                    })?;
                (name, Some(weight))
            }
        };
        // Nothing that the store takes would be wrong but spaces, which the environment's lists are cut at.
        if name.is_empty() {
            return Err(format!(
                "\"{text}\" has no queue name: give NAME or NAME,WEIGHT"
            ));
        }
        if let Some(bad) = name.chars().find(|c| c.is_whitespace() || c.is_control()) {
            return Err(format!(
                "\"{text}\" holds {bad:?}: a queue name has no spaces or control characters"
            ));
        }
        gandy::QueueName::check(name).map_err(|why| format!("\"{text}\": {why}"))?;
        Ok(Queue {
            name: name.to_owned(),
            weight,
        })
    }

    /// Reads a list and refuses an empty one and a queue named twice.
    pub fn parse_list(items: &[&str]) -> Result<Vec<Queue>, String> {
        let queues = items
            .iter()
            .map(|item| Queue::parse(item))
            .collect::<Result<Vec<_>, _>>()?;
        if queues.is_empty() {
            return Err(
                "must name at least one queue, such as \"default\" or \"critical,3\"".to_owned(),
            );
        }
        for (index, queue) in queues.iter().enumerate() {
            if queues[..index]
                .iter()
                .any(|earlier| earlier.name == queue.name)
            {
                return Err(format!(
                    "names the queue \"{0}\" twice: give it a weight instead, \"{0},2\"",
                    queue.name
                ));
            }
        }
        Ok(queues)
    }
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.weight {
            None => f.write_str(&self.name),
            Some(weight) => write!(f, "{},{weight}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_queue_may_have_a_weight_and_a_colon_in_its_name() {
        assert_eq!(
            Queue::parse("mail:eu,3").unwrap(),
            Queue {
                name: "mail:eu".into(),
                weight: Some(3)
            }
        );
        assert_eq!(Queue::parse("low").unwrap().weight, None);
        assert_eq!(
            Queue::parse("critical,3").unwrap().to_string(),
            "critical,3"
        );
    }

    #[test]
    fn a_comma_list_is_refused_with_the_right_syntax() {
        assert_eq!(
            Queue::parse("critical,default").unwrap_err(),
            "\"critical,default\" is not NAME or NAME,WEIGHT: the weight must be a whole number from 1 to 1000; \
             separate several queues by spaces, not commas"
        );
        for bad in ["", ",3", "a,0", "a,-1", "a,1001", "a,", "a b", "a\n"] {
            assert!(Queue::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_queue_named_twice_and_an_empty_list_are_refused() {
        assert_eq!(
            Queue::parse_list(&["a", "b", "a,2"]).unwrap_err(),
            "names the queue \"a\" twice: give it a weight instead, \"a,2\""
        );
        assert!(Queue::parse_list(&[]).is_err());
    }
}
