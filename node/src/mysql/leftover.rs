//! What a MariaDB server that was killed while it made a table of partitions leaves behind: files of partitions of a table
//! that it does not know. It says of them that the table exists, even where it was asked for "if not exists".
//!
//! Promises: only files of a table that the server does not know are removed: of one that it knows such a creation never
//! fails so. Refuses: a server that cannot start any more, which some MariaDB releases leave after the same
//! (docs/decisions/migrations.md).

use super::{Database, DatabaseError};

/// Of a creation "if not exists": there is something of that name.
const EXISTS: u16 = 1050;
const CREATE: &str = "CREATE TABLE IF NOT EXISTS ";

impl Database {
    /// The same creation once more where `error` says that something was left of one that did not end.
    pub(super) async fn create_over_leftovers(
        &mut self,
        statement: &str,
        error: DatabaseError,
    ) -> Result<(), DatabaseError> {
        let leftovers = leftovers(statement);
        if error.fault().code != EXISTS || leftovers.is_empty() {
            return Err(error);
        }
        tracing::warn!(error = %error.fault().text, "removing what is left of a table whose creation did not end");
        for name in leftovers {
            self.session.execute_within(self.config.migrate_timeout, &format!("DROP TABLE IF EXISTS {name}")).await?;
        }
        self.session.execute_within(self.config.migrate_timeout, statement).await
    }
}

/// How MariaDB lets name the file of each partition that `statement` creates a table with.
fn leftovers(statement: &str) -> Vec<String> {
    let Some((table, rest)) = statement.strip_prefix(CREATE).and_then(|rest| rest.split_once([' ', '\n'])) else {
        return Vec::new();
    };
    let words: Vec<_> = rest.split_whitespace().collect();
    let named = words.windows(2).filter(|pair| matches!(pair, ["PARTITION" | "(PARTITION", name] if *name != "BY"));
    named.filter_map(|pair| Some(format!("`#mysql50#{table}#P#{}`", pair.last()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::leftovers;

    #[test]
    fn only_a_creation_with_partitions_can_leave_files_of_some() {
        let days = "CREATE TABLE IF NOT EXISTS missed (\n  a INT\n) ENGINE=InnoDB\nPARTITION BY RANGE COLUMNS (slot) (\n  \
                    PARTITION p1 VALUES LESS THAN ('2026-01-01'),\n  PARTITION p_future VALUES LESS THAN (MAXVALUE)\n)";
        assert_eq!(leftovers(days), ["`#mysql50#missed#P#p1`", "`#mysql50#missed#P#p_future`"]);
        assert_eq!(leftovers("CREATE TABLE IF NOT EXISTS line (a INT)"), [""; 0]);
        assert_eq!(leftovers("ALTER TABLE missed REORGANIZE PARTITION p_future INTO (PARTITION p1)"), [""; 0]);
    }
}
