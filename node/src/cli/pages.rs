//! Lists that come in pages.
//!
//! Promises: every row, in the order of the pages. Refuses: stopping before the last page, except for a failure.

use super::failure::Failure;

/// Rows asked for at once.
pub const SIZE: u32 = 1_000;

/// All rows; `page` asks for those behind a token and answers them with the token of the next, empty for none.
pub async fn all<T>(mut page: impl AsyncFnMut(String) -> Result<(Vec<T>, String), Failure>) -> Result<Vec<T>, Failure> {
    let mut all = Vec::new();
    let mut token = String::new();
    loop {
        let (rows, next) = page(token).await?;
        all.extend(rows);
        if next.is_empty() {
            return Ok(all);
        }
        token = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn pages_are_asked_for_in_turn_until_none_follows() {
        let mut asked = Vec::new();
        let rows = all(async |token: String| {
            asked.push(token.clone());
            Ok(if token.is_empty() { (vec![1, 2], "third".to_owned()) } else { (vec![3], String::new()) })
        });
        assert_eq!(rows.await.expect("two pages"), [1, 2, 3]);
        assert_eq!(asked, ["", "third"]);
    }
}
