//! How many pages requests are: what is too long for one message of a relay is asked for by several.

use serde_json::Value;

/// What is around the filters of a request.
const FRAME: usize = 32;

/// How many pages these filters belong to, at a relay that takes messages of so many bytes.
pub(super) fn pages<'a>(filters: impl Iterator<Item = &'a Value>, bytes: usize) -> usize {
    let mut pages: Vec<Value> = filters.cloned().collect();
    while let Some((n, m, whole)) = pair(&pages, bytes) {
        pages[n] = whole;
        pages.remove(m);
    }
    pages.len()
}

/// Two that are parts of one, and that.
fn pair(pages: &[Value], bytes: usize) -> Option<(usize, usize, Value)> {
    (0..pages.len()).find_map(|n| {
        (n + 1..pages.len())
            .find_map(|m| Some((n, m, joined(&pages[n], &pages[m])?)).filter(|(.., whole)| is_long(whole, bytes)))
    })
}

fn is_long(filter: &Value, bytes: usize) -> bool {
    filter.to_string().len() + 1 + FRAME > bytes
}

/// What asks for both, if they differ in one list alone and have nothing of that in common.
fn joined(one: &Value, other: &Value) -> Option<Value> {
    let lists = ["authors", "kinds"];
    let mut differing = lists.into_iter().filter(|list| one[*list] != other[*list]);
    let (list, None) = (differing.next()?, differing.next()) else { return None };
    let (some, more) = (one[list].as_array()?, other[list].as_array()?);
    let mut whole = one.clone();
    whole[list] = some.iter().chain(more).cloned().collect();
    let mut same = other.clone();
    same[list] = whole[list].clone();
    (same == whole && !some.iter().any(|it| more.contains(it))).then_some(whole)
}
