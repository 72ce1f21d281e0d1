-- CreateTable
CREATE TABLE "users" (
    "id" UUID NOT NULL,
    "email" TEXT NOT NULL,
    "email_verified_at" TIMESTAMPTZ(6),
    "password_hash" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "users_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "sessions" (
    "id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "transport" TEXT NOT NULL,
    "generation" INTEGER NOT NULL DEFAULT 1,
    "created_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "rotated_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "idle_expires_at" TIMESTAMPTZ(6) NOT NULL,
    "expires_at" TIMESTAMPTZ(6) NOT NULL,
    "ended_at" TIMESTAMPTZ(6),
    "end_reason" TEXT,
    "user_agent" TEXT,
    "ip" INET,

    CONSTRAINT "sessions_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "signing_keys" (
    "id" UUID NOT NULL,
    "algorithm" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "public_jwk" JSONB NOT NULL,
    "encrypted_private_key" BYTEA NOT NULL,
    "secret_id" SMALLINT NOT NULL,
    "created_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "activated_at" TIMESTAMPTZ(6),
    "retired_at" TIMESTAMPTZ(6),

    CONSTRAINT "signing_keys_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "users_email_key" ON "users"("email");

-- CreateIndex
CREATE INDEX "sessions_live_by_user" ON "sessions"("user_id") WHERE (ended_at IS NULL);

-- CreateIndex
CREATE INDEX "sessions_ended_at" ON "sessions"("ended_at") WHERE (ended_at IS NOT NULL);

-- CreateIndex
CREATE UNIQUE INDEX "signing_keys_one_active" ON "signing_keys"("status") WHERE (status = 'active');

-- AddForeignKey
ALTER TABLE "sessions" ADD CONSTRAINT "sessions_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- By hand: what Prisma cannot say.

-- The service bounds these too; here they hold whoever writes.
ALTER TABLE "users"
    ADD CONSTRAINT "users_email_bounded" CHECK (char_length("email") BETWEEN 3 AND 320),
    ADD CONSTRAINT "users_password_hash_bounded" CHECK (char_length("password_hash") BETWEEN 1 AND 512);

ALTER TABLE "sessions"
    ADD CONSTRAINT "sessions_transport_known" CHECK ("transport" IN ('cookie', 'body')),
    ADD CONSTRAINT "sessions_generation_positive" CHECK ("generation" >= 1),
    ADD CONSTRAINT "sessions_idle_within_absolute" CHECK ("idle_expires_at" <= "expires_at"),
    ADD CONSTRAINT "sessions_end_reason_known" CHECK ("end_reason" IN
        ('logout', 'revoked', 'reuse_detected', 'password_changed', 'password_reset', 'account_deleted', 'disabled')),
    ADD CONSTRAINT "sessions_ended_with_reason" CHECK (("ended_at" IS NULL) = ("end_reason" IS NULL)),
    ADD CONSTRAINT "sessions_user_agent_bounded" CHECK (char_length("user_agent") <= 256);

ALTER TABLE "signing_keys"
    ADD CONSTRAINT "signing_keys_algorithm_known" CHECK ("algorithm" IN ('ES256', 'EdDSA', 'RS256')),
    ADD CONSTRAINT "signing_keys_status_known" CHECK ("status" IN ('next', 'active', 'retired')),
    ADD CONSTRAINT "signing_keys_secret_id_is_a_byte" CHECK ("secret_id" BETWEEN 0 AND 255);

-- Room on every page for the next version of a row, so that a rotation stays on its page and touches no index
-- (a heap-only update), however often it happens.
ALTER TABLE "sessions" SET (fillfactor = 70);
