-- The roles of the warehouse. They cannot log in: give them to your users, e.g.
--   CREATE ROLE ann LOGIN PASSWORD '...' IN ROLE churn_reader;
-- `prepare` makes them where they are missing and grants to them, schema by schema; where it may not (it needs
-- CREATEROLE), run this file as an administrator, then `prepare` again. What is granted: spark_jobs/warehouse/schema/grants.py.
DO $$
DECLARE
    role text;
BEGIN
    -- churn_loader writes scores and models; churn_reader reads scores; churn_identity resolves customer ids.
    FOREACH role IN ARRAY ARRAY['churn_loader', 'churn_reader', 'churn_identity'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', role);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;  -- somebody made it meanwhile: roles are shared by all databases of a server
            END;
        END IF;
    END LOOP;
END $$;
