-- AlterTable
ALTER TABLE "signing_keys" ADD COLUMN     "revoked_at" TIMESTAMPTZ(6);

-- CreateIndex
CREATE UNIQUE INDEX "signing_keys_one_next" ON "signing_keys"("status") WHERE (status = 'next');

-- By hand: what Prisma cannot say.

-- The times tell the same story as the status, whoever writes. A revoked key has no private half any more.
ALTER TABLE "signing_keys"
    DROP CONSTRAINT "signing_keys_status_known",
    ADD CONSTRAINT "signing_keys_status_known" CHECK (CASE "status"
        WHEN 'next' THEN "activated_at" IS NULL AND "retired_at" IS NULL AND "revoked_at" IS NULL
        WHEN 'active' THEN "activated_at" IS NOT NULL AND "retired_at" IS NULL AND "revoked_at" IS NULL
        WHEN 'retired' THEN "activated_at" IS NOT NULL AND "retired_at" IS NOT NULL AND "revoked_at" IS NULL
        WHEN 'revoked' THEN "revoked_at" IS NOT NULL
        ELSE false END),
    ADD CONSTRAINT "signing_keys_revoked_without_private_key"
        CHECK (("status" = 'revoked') = (octet_length("encrypted_private_key") = 0));

-- Whoever changes the keys, the service, its command line or an operator with plain SQL, every instance hears of it
-- when that commits, and reads them again.
CREATE FUNCTION "gatehouse_signing_keys_change"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('gatehouse_signing_keys', '');
    RETURN NULL;
END
$$;

CREATE TRIGGER "signing_keys_change" AFTER INSERT OR UPDATE OR DELETE ON "signing_keys"
    FOR EACH STATEMENT EXECUTE FUNCTION "gatehouse_signing_keys_change"();
