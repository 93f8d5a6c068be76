-- What Tandem needs in the CRM's database, by an administrator, once. For psql; the password comes from the environment:
--
--   TANDEM_PASSWORD=… psql -v ON_ERROR_STOP=1 -d crm -f deploy/postgres/tandem.sql
--
-- The role reads and writes the mapped tables and nothing else. `tandem check` says what is missing, and what is too much.

\set ON_ERROR_STOP on
\getenv password TANDEM_PASSWORD

-- Roles belong to the server, so this one may be there from another database.
SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tandem') AS make_role \gset
\if :make_role
  CREATE ROLE tandem LOGIN REPLICATION CONNECTION LIMIT 100 PASSWORD :'password';
\endif

-- The ledger: links, bases, conflicts, work. Doctrine does not see it with  schema_filter: ~^(?!tandem\.)~
CREATE SCHEMA IF NOT EXISTS tandem AUTHORIZATION tandem;

GRANT USAGE ON SCHEMA public TO tandem;
-- The entities' tables, and the join and attribute tables that the mappings own.
GRANT SELECT, INSERT, UPDATE, DELETE ON contact, contact_tag, opportunity, opportunity_contact, opportunity_attribute, task TO tandem;
-- Lookups: rows are added for options that people make in Notion, never changed or deleted.
GRANT SELECT, INSERT ON company, tag TO tandem;
GRANT USAGE ON SEQUENCE company_id_seq, contact_id_seq, opportunity_id_seq, opportunity_attribute_id_seq, tag_id_seq, task_id_seq TO tandem;

-- Only the tables' owner can publish them, so the connector finds the publication made. It never holds schema tandem.
CREATE PUBLICATION tandem FOR TABLE company, contact, contact_tag, opportunity, opportunity_contact, opportunity_attribute, tag, task
  WITH (publish_via_partition_root = true);
