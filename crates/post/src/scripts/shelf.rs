//! Scripts as they are run, in memory within a bound: what was longest not used goes first.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use mail::ScriptName;
use sieve::Script;

use super::Key;

/// What one place takes besides the script.
const PLACE_OCTETS: usize = 256;

/// Compiled scripts of all accounts.
#[derive(Debug, Default)]
pub(crate) struct Shelf(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    scripts: HashMap<Key, Place>,
    /// How often the shelf was used.
    uses: u64,
    octets: usize,
}

#[derive(Debug)]
struct Place {
    /// `None` for a text that is no script.
    script: Option<Arc<Script>>,
    octets: usize,
    /// When it was used last, in uses of the shelf.
    used: u64,
}

impl Shelf {
    /// The script, if it is here under this name; it was used now.
    pub(super) fn take(&self, key: Key, name: &ScriptName) -> Option<Option<Arc<Script>>> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let held = &mut *held;
        let place = held.scripts.get_mut(&key)?;
        let named = place.script.as_ref().map(|script| script.name());
        if named.is_some_and(|named| named != name.as_str()) {
            return None;
        }
        held.uses += 1;
        place.used = held.uses;
        Some(place.script.clone())
    }

    /// Keeps a script, as far as there is room.
    pub(super) fn put(&self, key: Key, script: Option<Arc<Script>>, octets_max: usize) {
        let octets = PLACE_OCTETS + script.as_ref().map_or(0, |script| script.octets());
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.remove(key);
        if octets > octets_max {
            return;
        }
        while held.octets + octets > octets_max {
            // It was just compiled, which has taken longer than looking through all that are here.
            let used = held.scripts.iter().map(|(key, place)| (place.used, *key));
            let Some((_, oldest)) = used.min() else {
                break;
            };
            held.remove(oldest);
        }
        held.uses += 1;
        let used = held.uses;
        held.octets += octets;
        let place = Place {
            script,
            octets,
            used,
        };
        held.scripts.insert(key, place);
    }
}

impl Held {
    fn remove(&mut self, key: Key) {
        if let Some(place) = self.scripts.remove(&key) {
            self.octets = self.octets.saturating_sub(place.octets);
        }
    }
}

#[cfg(test)]
mod tests {
    use mail::AccountId;
    use sieve::Limits;

    use super::*;

    #[test]
    fn what_was_longest_not_used_goes_first() {
        let script = Script::compile("x", b"keep;", &Limits::HOUSE).unwrap();
        let script = Some(Arc::new(script));
        let octets = PLACE_OCTETS + script.as_ref().unwrap().octets();
        let key = |id| (AccountId(1), id);
        let name = ScriptName::parse("x").unwrap();
        let other = ScriptName::parse("y").unwrap();
        let shelf = Shelf::default();
        for id in 1..=3 {
            shelf.put(key(id), script.clone(), 3 * octets);
        }
        assert!(shelf.take(key(1), &name).is_some());
        shelf.put(key(4), script.clone(), 3 * octets);
        let here = |id| shelf.take(key(id), &name).is_some();
        assert_eq!([1, 2, 3, 4].map(here), [true, false, true, true]);
        shelf.put(key(5), script.clone(), octets - 1);
        assert!(shelf.take(key(5), &name).is_none());
        assert!(shelf.take(key(1), &other).is_none());
        // Put anew it is not counted twice.
        shelf.put(key(4), None, 3 * octets);
        assert!(matches!(shelf.take(key(4), &name), Some(None)));
        let held = shelf.0.lock().unwrap();
        assert_eq!(held.octets, 2 * octets + PLACE_OCTETS);
        assert_eq!(held.scripts.len(), 3);
    }
}
