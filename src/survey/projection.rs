//! A plane through points of more dimensions.
//!
//! Owns: the plane on which the points lie farthest apart (their two principal components), and their places on it.
//! Never does: stretch: places on the plane are at most as far apart as the points.

/// The places of these points on the plane that shows most of how they differ. The first axis shows the most.
pub fn onto_plane<const N: usize>(points: &[[f64; N]]) -> Vec<(f64, f64)> {
    let count = points.len().max(1) as f64;
    let mean: [f64; N] = std::array::from_fn(|i| points.iter().map(|point| point[i]).sum::<f64>() / count);
    let centred: Vec<[f64; N]> = points.iter().map(|point| std::array::from_fn(|i| point[i] - mean[i])).collect();
    let spread: [[f64; N]; N] =
        std::array::from_fn(|i| std::array::from_fn(|j| centred.iter().map(|point| point[i] * point[j]).sum()));
    let first = longest_axis(&spread, None);
    let second = longest_axis(&spread, Some(&first));
    centred.iter().map(|point| (dot(point, &first), dot(point, &second))).collect()
}

/// The direction of the greatest spread, at right angles to `but`, by power iteration; of length 1, or 0 if there is none.
fn longest_axis<const N: usize>(spread: &[[f64; N]; N], but: Option<&[f64; N]>) -> [f64; N] {
    // No axis of real data is at right angles to this.
    let mut axis: [f64; N] = std::array::from_fn(|i| 1.0 + i as f64 * 0.37);
    for _ in 0..ITERATIONS {
        if let Some(other) = but {
            let along = dot(&axis, other);
            axis = std::array::from_fn(|i| axis[i] - along * other[i]);
        }
        let pulled: [f64; N] = std::array::from_fn(|i| dot(&spread[i], &axis));
        let length = dot(&pulled, &pulled).sqrt();
        if length < f64::MIN_POSITIVE {
            return [0.0; N];
        }
        axis = pulled.map(|part| part / length);
    }
    axis
}

fn dot<const N: usize>(one: &[f64; N], other: &[f64; N]) -> f64 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

/// A hundred halvings of the ratio of two spreads that differ by 2 %: enough for a picture.
const ITERATIONS: usize = 3_500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_of_a_plane_in_space_keep_their_distances() {
        // A rectangle of 6 by 2 in the plane of (1, 0, 1, 0) and (0, 1, 0, -1).
        let corner = |x: f64, y: f64| {
            let (x, y) = (x / 2f64.sqrt(), y / 2f64.sqrt());
            [5.0 + x, y, x, 1.0 - y]
        };
        let places = onto_plane(&[corner(0.0, 0.0), corner(6.0, 0.0), corner(6.0, 2.0), corner(0.0, 2.0)]);
        let apart = |a: usize, b: usize| (places[a].0 - places[b].0).hypot(places[a].1 - places[b].1);
        for (a, b, far) in [(0, 1, 6.0), (1, 2, 2.0), (0, 2, 40f64.sqrt()), (0, 3, 2.0)] {
            assert!((apart(a, b) - far).abs() < 1e-9, "{a} {b}: {} {far}", apart(a, b));
        }
        let wide = |of: fn(&(f64, f64)) -> f64| places.iter().map(of).fold(0.0, |most: f64, at| most.max(at.abs()));
        assert!((wide(|place| place.0) - 3.0).abs() < 1e-9, "the longer side is the first axis");
    }

    #[test]
    fn points_at_one_place_and_none_at_all_are_no_trouble() {
        assert_eq!(onto_plane(&[[3.0, 4.0, 5.0]; 2]), [(0.0, 0.0); 2]);
        assert_eq!(onto_plane::<4>(&[]), []);
    }
}
