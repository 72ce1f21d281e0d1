-- AlterTable
ALTER TABLE "sessions" ADD COLUMN     "confirmed_generation" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "ended_position" BIGINT;

-- CreateTable
CREATE TABLE "reuse_incidents" (
    "id" UUID NOT NULL,
    "session_id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "detected_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "generation" INTEGER NOT NULL,
    "presented_generation" INTEGER NOT NULL,
    "rotated_at" TIMESTAMPTZ(6) NOT NULL,
    "session_user_agent" TEXT,
    "session_ip" INET,
    "user_agent" TEXT,
    "ip" INET,

    CONSTRAINT "reuse_incidents_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "reuse_incidents_by_user" ON "reuse_incidents"("user_id", "detected_at");

-- CreateIndex
CREATE INDEX "reuse_incidents_detected_at" ON "reuse_incidents"("detected_at");

-- CreateIndex
CREATE INDEX "sessions_expires_at" ON "sessions"("expires_at");

-- CreateIndex
CREATE INDEX "sessions_ended_position" ON "sessions"("ended_position") WHERE (ended_position IS NOT NULL);

-- AddForeignKey
ALTER TABLE "reuse_incidents" ADD CONSTRAINT "reuse_incidents_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- By hand: what Prisma cannot say.

ALTER TABLE "sessions"
    ADD CONSTRAINT "sessions_confirmed_generation_known" CHECK ("confirmed_generation" BETWEEN 0 AND "generation");

ALTER TABLE "reuse_incidents"
    ADD CONSTRAINT "reuse_incidents_older_token" CHECK ("presented_generation" < "generation"),
    ADD CONSTRAINT "reuse_incidents_user_agents_bounded" CHECK (
        char_length("session_user_agent") <= 256 AND char_length("user_agent") <= 256);

-- Whoever ends a session, the service or an operator with plain SQL, every instance hears of it when that commits.
-- The position is the transaction: an instance that polls asks for all since the oldest transaction that was open when
-- it last asked, and so misses none that committed late. Rotation does not set ended_at, and so never comes here.
CREATE FUNCTION "gatehouse_session_ends"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.ended_at := clock_timestamp();
    NEW.ended_position := pg_current_xact_id()::text::bigint;
    PERFORM pg_notify('gatehouse_session_ended', NEW.id || ' ' || NEW.end_reason);
    RETURN NEW;
END
$$;

CREATE TRIGGER "sessions_end" BEFORE UPDATE OF "ended_at" ON "sessions"
    FOR EACH ROW WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL)
    EXECUTE FUNCTION "gatehouse_session_ends"();
