-- What Tandem needs in the CRM's database, by an administrator, once. For psql; the password of both roles comes from the environment:
--
--   TANDEM_PASSWORD=… psql -v ON_ERROR_STOP=1 -d crm -f deploy/postgres/tandem.sql
--
-- tandem reads the mapped columns, writes what the mappings write, and nothing else: it is the role of the sinks and of the Notion source.
-- tandem_cdc captures: it may replicate, reads the mapped tables whole, and writes nothing. `tandem check` says what is missing, and what is too much.

\set ON_ERROR_STOP on
\getenv password TANDEM_PASSWORD

-- Roles belong to the server, so they may be there from another database.
SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tandem') AS make_role \gset
SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tandem_cdc') AS make_cdc_role \gset
\if :make_role
  CREATE ROLE tandem LOGIN CONNECTION LIMIT 100 PASSWORD :'password';
\endif
\if :make_cdc_role
  CREATE ROLE tandem_cdc LOGIN REPLICATION CONNECTION LIMIT 20 PASSWORD :'password';
\endif

-- The ledger: links, bases, conflicts, work. Doctrine does not see it with  schema_filter: ~^(?!tandem\.)~
CREATE SCHEMA IF NOT EXISTS tandem AUTHORIZATION tandem;

GRANT USAGE ON SCHEMA public TO tandem, tandem_cdc;
-- What the mappings of the examples need, as  tandem grants notion-sink.json --role tandem --cdc-role tandem_cdc  prints it: columns, and deletes in
-- the join and attribute tables that the mappings own alone.
GRANT SELECT (id, name) ON company TO tandem;
GRANT INSERT (id, name) ON company TO tandem;
GRANT SELECT (birthday, company_id, created_at, custom_fields, deleted_at, email, full_name, id, job_title, newsletter, notes, phone, updated_at, website) ON contact TO tandem;
GRANT INSERT (birthday, company_id, created_at, custom_fields, email, full_name, id, job_title, newsletter, notes, phone, updated_at, website) ON contact TO tandem;
GRANT UPDATE (birthday, company_id, custom_fields, deleted_at, email, full_name, job_title, newsletter, notes, phone, updated_at, website) ON contact TO tandem;
GRANT SELECT (contact_id, tag_id) ON contact_tag TO tandem;
GRANT INSERT (contact_id, tag_id) ON contact_tag TO tandem;
GRANT DELETE ON contact_tag TO tandem;
GRANT SELECT (amount, contact_id, created_at, deleted_at, description, expected_close, id, name, probability, stage, updated_at, version) ON opportunity TO tandem;
GRANT INSERT (amount, contact_id, created_at, description, expected_close, id, name, probability, stage, updated_at, version) ON opportunity TO tandem;
GRANT UPDATE (amount, contact_id, deleted_at, description, expected_close, name, probability, stage, updated_at, version) ON opportunity TO tandem;
GRANT SELECT (id, name, opportunity_id, type, value) ON opportunity_attribute TO tandem;
GRANT INSERT (id, name, opportunity_id, type, value) ON opportunity_attribute TO tandem;
GRANT UPDATE (value) ON opportunity_attribute TO tandem;
GRANT DELETE ON opportunity_attribute TO tandem;
GRANT SELECT (contact_id, opportunity_id) ON opportunity_contact TO tandem;
GRANT INSERT (contact_id, opportunity_id) ON opportunity_contact TO tandem;
GRANT DELETE ON opportunity_contact TO tandem;
GRANT SELECT (id, label) ON tag TO tandem;
GRANT INSERT (id, label) ON tag TO tandem;
GRANT SELECT (contact_id, created_at, deleted_at, description, due_date, id, opportunity_id, priority, reminder_at, status, title, updated_at) ON task TO tandem;
GRANT INSERT (contact_id, created_at, description, due_date, id, opportunity_id, priority, reminder_at, status, title, updated_at) ON task TO tandem;
GRANT UPDATE (contact_id, deleted_at, description, due_date, opportunity_id, priority, reminder_at, status, title, updated_at) ON task TO tandem;
GRANT USAGE ON SEQUENCE company_id_seq, contact_id_seq, opportunity_attribute_id_seq, opportunity_id_seq, tag_id_seq, task_id_seq TO tandem;

-- A first snapshot reads the tables whole.
GRANT SELECT ON company, contact, contact_tag, opportunity, opportunity_contact, opportunity_attribute, tag, task TO tandem_cdc;

-- Only the tables' owner can publish them, so the connector finds the publication made. It never holds schema tandem.
CREATE PUBLICATION tandem FOR TABLE company, contact, contact_tag, opportunity, opportunity_contact, opportunity_attribute, tag, task
  WITH (publish_via_partition_root = true);
