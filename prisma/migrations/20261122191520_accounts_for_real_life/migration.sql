-- AlterTable
ALTER TABLE "users" ADD COLUMN     "password_version" INTEGER NOT NULL DEFAULT 1;

-- CreateTable
CREATE TABLE "session_endings" (
    "session_id" UUID NOT NULL,
    "reason" TEXT NOT NULL,
    "ended_at" TIMESTAMPTZ(6) NOT NULL,
    "position" BIGINT NOT NULL,

    CONSTRAINT "session_endings_pkey" PRIMARY KEY ("session_id")
);

-- DropIndex
DROP INDEX "sessions_ended_position";

-- By hand: what ended lately must stay refused, and who signed in before this proved it then.
INSERT INTO "session_endings" ("session_id", "reason", "ended_at", "position")
    SELECT "id", "end_reason", "ended_at", coalesce("ended_position", pg_current_xact_id()::text::bigint) FROM "sessions" WHERE "ended_at" > now() - interval '2 hours';

-- AlterTable
ALTER TABLE "sessions" DROP COLUMN "ended_position",
ADD COLUMN     "amr" TEXT[] DEFAULT ARRAY['pwd']::TEXT[],
ADD COLUMN     "authenticated_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP;

UPDATE "sessions" SET "authenticated_at" = "created_at";

-- CreateTable
CREATE TABLE "events" (
    "id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "session_id" UUID,
    "type" TEXT NOT NULL,
    "ip" INET,
    "user_agent" TEXT,
    "details" JSONB NOT NULL DEFAULT '{}',
    "created_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "events_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "one_time_tokens" (
    "token_hash" BYTEA NOT NULL,
    "user_id" UUID NOT NULL,
    "purpose" TEXT NOT NULL,
    "email" TEXT NOT NULL,
    "issued" INTEGER NOT NULL DEFAULT 1,
    "created_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(6) NOT NULL,

    CONSTRAINT "one_time_tokens_pkey" PRIMARY KEY ("token_hash")
);

-- CreateTable
CREATE TABLE "outbox_mails" (
    "id" UUID NOT NULL,
    "kind" TEXT NOT NULL,
    "recipient" TEXT NOT NULL,
    "user_id" UUID,
    "details" JSONB NOT NULL DEFAULT '{}',
    "created_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "next_attempt_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "failed_at" TIMESTAMPTZ(6),
    "last_error" TEXT,

    CONSTRAINT "outbox_mails_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "attempts" (
    "subject" BYTEA NOT NULL,
    "failures" DOUBLE PRECISION NOT NULL,
    "last_attempt_at" TIMESTAMPTZ(6) NOT NULL,
    "blocked_until" TIMESTAMPTZ(6) NOT NULL,

    CONSTRAINT "attempts_pkey" PRIMARY KEY ("subject")
);

-- CreateTable
CREATE TABLE "second_factors" (
    "user_id" UUID NOT NULL,
    "sealed_secret" BYTEA NOT NULL,
    "secret_id" SMALLINT NOT NULL,
    "created_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "confirmed_at" TIMESTAMPTZ(6),
    "last_used_step" BIGINT NOT NULL DEFAULT 0,

    CONSTRAINT "second_factors_pkey" PRIMARY KEY ("user_id")
);

-- CreateTable
CREATE TABLE "recovery_codes" (
    "user_id" UUID NOT NULL,
    "code_hash" BYTEA NOT NULL,

    CONSTRAINT "recovery_codes_pkey" PRIMARY KEY ("user_id","code_hash")
);

-- CreateIndex
CREATE INDEX "sessions_by_user" ON "sessions"("user_id");

-- CreateIndex
CREATE INDEX "session_endings_position" ON "session_endings"("position", "session_id");

-- CreateIndex
CREATE INDEX "session_endings_ended_at" ON "session_endings"("ended_at");

-- CreateIndex
CREATE INDEX "events_by_user" ON "events"("user_id", "created_at" DESC, "id" DESC);

-- CreateIndex
CREATE INDEX "events_created_at" ON "events"("created_at");

-- CreateIndex
CREATE INDEX "events_to_erase" ON "events"("created_at") WHERE (type = 'account_deleted' AND details <> '{}');

-- CreateIndex
CREATE INDEX "one_time_tokens_created_at" ON "one_time_tokens"("created_at");

-- CreateIndex
CREATE INDEX "outbox_mails_created_at" ON "outbox_mails"("created_at");

-- CreateIndex
CREATE UNIQUE INDEX "one_time_tokens_one_a_purpose" ON "one_time_tokens"("user_id", "purpose");

-- CreateIndex
CREATE INDEX "outbox_mails_due" ON "outbox_mails"("next_attempt_at") WHERE (failed_at IS NULL);

-- CreateIndex
CREATE INDEX "outbox_mails_by_recipient" ON "outbox_mails"("recipient");

-- CreateIndex
CREATE INDEX "outbox_mails_failed_at" ON "outbox_mails"("failed_at") WHERE (failed_at IS NOT NULL);

-- CreateIndex
CREATE INDEX "attempts_last_attempt_at" ON "attempts"("last_attempt_at");

-- AddForeignKey
ALTER TABLE "one_time_tokens" ADD CONSTRAINT "one_time_tokens_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "second_factors" ADD CONSTRAINT "second_factors_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "recovery_codes" ADD CONSTRAINT "recovery_codes_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "second_factors"("user_id") ON DELETE CASCADE ON UPDATE CASCADE;

-- By hand: what Prisma cannot say.

ALTER TABLE "sessions"
    ADD CONSTRAINT "sessions_amr_given" CHECK ("amr" IS NOT NULL AND cardinality("amr") BETWEEN 1 AND 5);

ALTER TABLE "events"
    ADD CONSTRAINT "events_type_bounded" CHECK ("type" ~ '^[a-z_]{1,40}$'),
    ADD CONSTRAINT "events_user_agent_bounded" CHECK (char_length("user_agent") <= 256),
    ADD CONSTRAINT "events_details_bounded" CHECK (pg_column_size("details") <= 2048);

ALTER TABLE "one_time_tokens"
    ADD CONSTRAINT "one_time_tokens_hash_is_sha256" CHECK (octet_length("token_hash") = 32),
    ADD CONSTRAINT "one_time_tokens_purpose_known" CHECK ("purpose" IN ('verify_email', 'reset_password', 'change_email')),
    ADD CONSTRAINT "one_time_tokens_issued_counted" CHECK ("issued" >= 1),
    ADD CONSTRAINT "one_time_tokens_email_bounded" CHECK (char_length("email") BETWEEN 3 AND 320);

ALTER TABLE "outbox_mails"
    ADD CONSTRAINT "outbox_mails_kind_bounded" CHECK ("kind" ~ '^[a-z_]{1,40}$'),
    ADD CONSTRAINT "outbox_mails_recipient_bounded" CHECK (char_length("recipient") BETWEEN 3 AND 320),
    ADD CONSTRAINT "outbox_mails_details_bounded" CHECK (pg_column_size("details") <= 2048),
    ADD CONSTRAINT "outbox_mails_last_error_bounded" CHECK (char_length("last_error") <= 500);

ALTER TABLE "attempts"
    ADD CONSTRAINT "attempts_subject_is_sha256" CHECK (octet_length("subject") = 32),
    ADD CONSTRAINT "attempts_failures_counted" CHECK ("failures" >= 0);
-- Counted up in place: room for the next version of a row.
ALTER TABLE "attempts" SET (fillfactor = 70);

ALTER TABLE "second_factors"
    ADD CONSTRAINT "second_factors_secret_id_is_a_byte" CHECK ("secret_id" BETWEEN 0 AND 255),
    ADD CONSTRAINT "second_factors_sealed_secret_bounded" CHECK (octet_length("sealed_secret") BETWEEN 44 AND 128);

ALTER TABLE "recovery_codes"
    ADD CONSTRAINT "recovery_codes_hash_is_sha256" CHECK (octet_length("code_hash") = 32);

-- Whoever ends a session, the service or an operator with plain SQL, every instance hears of it when that commits, and
-- finds it in session_endings. The position is the transaction: an instance that polls asks for all since the oldest
-- transaction that was open when it last asked, and so misses none that committed late.
CREATE OR REPLACE FUNCTION "gatehouse_session_ends"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.ended_at := clock_timestamp();
    INSERT INTO session_endings (session_id, reason, ended_at, position)
        VALUES (NEW.id, NEW.end_reason, NEW.ended_at, pg_current_xact_id()::text::bigint)
        ON CONFLICT DO NOTHING;
    PERFORM pg_notify('gatehouse_session_ended', NEW.id || ' ' || NEW.end_reason);
    RETURN NEW;
END
$$;

-- A live session whose row is deleted has ended too: with its owner, or by hand.
CREATE FUNCTION "gatehouse_live_session_goes"() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    reason text := CASE WHEN EXISTS (SELECT FROM users WHERE id = OLD.user_id) THEN 'revoked' ELSE 'account_deleted' END;
BEGIN
    INSERT INTO session_endings (session_id, reason, ended_at, position)
        VALUES (OLD.id, reason, clock_timestamp(), pg_current_xact_id()::text::bigint)
        ON CONFLICT DO NOTHING;
    PERFORM pg_notify('gatehouse_session_ended', OLD.id || ' ' || reason);
    RETURN NULL;
END
$$;

CREATE TRIGGER "sessions_live_delete" AFTER DELETE ON "sessions"
    FOR EACH ROW WHEN (OLD.ended_at IS NULL AND OLD.idle_expires_at > now() AND OLD.expires_at > now())
    EXECUTE FUNCTION "gatehouse_live_session_goes"();

-- Events are only added. All that may change in one is that what tells of the person is erased; retention deletes whole rows.
CREATE FUNCTION "gatehouse_events_are_only_added"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.user_id, NEW.type, NEW.created_at) IS DISTINCT FROM (OLD.id, OLD.user_id, OLD.type, OLD.created_at)
        OR NEW.session_id IS NOT NULL OR NEW.ip IS NOT NULL OR NEW.user_agent IS NOT NULL OR NEW.details <> '{}' THEN
        RAISE EXCEPTION 'events are only added: an update may do no more than erase';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER "events_only_added" BEFORE UPDATE ON "events"
    FOR EACH ROW EXECUTE FUNCTION "gatehouse_events_are_only_added"();

-- A mail that is put in wakes the instances that send, when that commits.
CREATE FUNCTION "gatehouse_mail_waits"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('gatehouse_mail', '');
    RETURN NULL;
END
$$;

CREATE TRIGGER "outbox_mails_insert" AFTER INSERT ON "outbox_mails"
    FOR EACH STATEMENT EXECUTE FUNCTION "gatehouse_mail_waits"();
