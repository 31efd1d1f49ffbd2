-- Keeps what a database holds, so that it can be brought back to it between tests: a hundred times faster than a copy.

CREATE SCHEMA pristine;

DO $$
DECLARE
    places name[] := ARRAY(SELECT tablename FROM pg_tables WHERE schemaname = 'public');
    next_one name;
    numbered record;
    is_empty boolean;
    deletes text := '';
    inserts text := '';
    numbers text := '';
BEGIN
    WHILE cardinality(places) > 0 LOOP
        -- A row is deleted after the rows that refer to it, and comes back before them. Tables without such rows come
        -- last, since triggers of others write to them.
        SELECT place INTO STRICT next_one FROM unnest(places) AS place
         WHERE NOT EXISTS (SELECT FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid
                            WHERE c.contype = 'f' AND c.confrelid = ('public.' || quote_ident(place))::regclass
                              AND c.conrelid <> c.confrelid AND r.relname = ANY(places))
         ORDER BY EXISTS (SELECT FROM pg_constraint c
                           WHERE c.contype = 'f' AND ('public.' || quote_ident(place))::regclass IN (c.conrelid, c.confrelid)) DESC,
                  place
         LIMIT 1;
        places := array_remove(places, next_one);
        deletes := deletes || format('DELETE FROM public.%I;', next_one);
        EXECUTE format('SELECT NOT EXISTS (SELECT FROM public.%I)', next_one) INTO is_empty;
        IF NOT is_empty THEN
            EXECUTE format('CREATE TABLE pristine.%1$I AS TABLE public.%1$I', next_one);
            inserts := format('INSERT INTO public.%1$I OVERRIDING SYSTEM VALUE SELECT * FROM pristine.%1$I;', next_one)
                || inserts;
        END IF;
    END LOOP;
    FOR numbered IN
        SELECT table_name, column_name FROM information_schema.columns
         WHERE table_schema = 'public' AND is_identity = 'YES'
    LOOP
        numbers := numbers || format(
            'SELECT setval(%3$L, coalesce(max(%2$I), 0) + 1, false) FROM public.%1$I;', numbered.table_name,
            numbered.column_name, pg_get_serial_sequence(numbered.table_name, numbered.column_name));
    END LOOP;
    EXECUTE format('CREATE FUNCTION pristine.restore() RETURNS void LANGUAGE sql AS %L',
        deletes || inserts || numbers || 'SELECT;');
END
$$;
