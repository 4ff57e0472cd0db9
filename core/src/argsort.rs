//! Orders of small and large lists by a key, all through one sort.
//!
//! The standard library's sort is compiled anew for every type and closure, 3 kB of WebAssembly and more each; here callers
//! make their keys integers and share one.

/// A number as an integer of the same order: `total_cmp`'s, with -0 before 0 and NaN at the ends.
pub fn ascending(x: f64) -> u64 {
    let bits = x.to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

/// The reverse of [`ascending`].
pub fn descending(x: f64) -> u64 {
    !ascending(x)
}

/// The places of a list by ascending key; of equal keys, the earlier place first.
pub fn argsort(keys: impl Iterator<Item = u64>) -> Vec<u32> {
    let mut keyed: Vec<(u64, u32)> = keys.zip(0..).collect();
    sort(&mut keyed);
    keyed.into_iter().map(|(_, place)| place).collect()
}

/// A list by ascending key; of equal keys in the order that it had.
pub fn in_order<T: Clone>(list: &[T], key: impl Fn(&T) -> u64) -> Vec<T> {
    argsort(list.iter().map(key)).into_iter().filter_map(|place| list.get(place as usize).cloned()).collect()
}

/// The one copy.
#[inline(never)]
fn sort(keyed: &mut [(u64, u32)]) {
    keyed.sort_unstable();
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_the_stable_order_of_total_cmp(numbers: Vec<f64>, twice: bool) {
            let numbers = if twice { [numbers.clone(), numbers].concat() } else { numbers };
            let mut up: Vec<u32> = (0..numbers.len() as u32).collect();
            let mut down = up.clone();
            up.sort_by(|a, b| numbers[*a as usize].total_cmp(&numbers[*b as usize]));
            down.sort_by(|a, b| numbers[*b as usize].total_cmp(&numbers[*a as usize]));
            prop_assert_eq!(argsort(numbers.iter().map(|x| ascending(*x))), up);
            prop_assert_eq!(argsort(numbers.iter().map(|x| descending(*x))), down);
            let (mut sorted, bits) = (numbers.clone(), |list: Vec<f64>| list.into_iter().map(f64::to_bits).collect::<Vec<_>>());
            sorted.sort_by(f64::total_cmp);
            prop_assert_eq!(bits(in_order(&numbers, |x| ascending(*x))), bits(sorted));
        }
    }
}
