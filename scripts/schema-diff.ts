import { randomUUID } from 'node:crypto';
import { PrismaPg } from '@prisma/adapter-pg';
import {
  ColumnTypeEnum,
  type SqlDriverAdapter,
  type SqlMigrationAwareDriverAdapterFactory,
} from '@prisma/driver-adapter-utils';
import pg from 'pg';
import { NO_FILTERS, withSchemaEngine } from '../src/database/schema-engine.js';

/**
 * The SQL that leads from the migrations on disk to `schema.prisma`: empty when the two agree.
 * Makes and drops a shadow database beside the given one, as Prisma's CLI does.
 */
export async function diffMigrationsToSchema(databaseUrl: string): Promise<string> {
  const administrator = new pg.Client(databaseUrl);
  await administrator.connect();
  const shadowName = `gatehouse_shadow_${randomUUID().replaceAll('-', '')}`;
  await administrator.query(`CREATE DATABASE ${shadowName}`);
  const shadowUrl = Object.assign(new URL(databaseUrl), { pathname: `/${shadowName}` }).href;
  try {
    return await withSchemaEngine(catalogAdapterFactory(databaseUrl, shadowUrl), async (engine, migrations, schema) => {
      const answer = await engine.diff({
        from: { tag: 'migrations', ...migrations },
        to: { tag: 'schemaDatamodel', files: [schema] },
        script: true,
        exitCode: true,
        filters: NO_FILTERS,
      });
      return answer.exitCode === 0 ? '' : (answer.stdout ?? '');
    });
  } finally {
    await administrator.query(`DROP DATABASE ${shadowName} WITH (FORCE)`);
    await administrator.end();
  }
}

/**
 * Prisma's adapter, taught what its schema engine needs to read a database: the type `"char"` of Postgres's catalogues,
 * which it refuses. No catalogue has a date, so on the wire `"char"` is called a date, and what then comes out as a
 * date is called a character. (Its own shadow database it would not find: with a connection string it stays on the first.)
 */
function catalogAdapterFactory(databaseUrl: string, shadowUrl: string): SqlMigrationAwareDriverAdapterFactory {
  const factoryFor = (connectionString: string) => new PrismaPg({ connectionString, Client: CatalogClient });
  const factory = factoryFor(databaseUrl);
  return {
    provider: factory.provider,
    adapterName: factory.adapterName,
    connect: async () => readingCharacters(await factory.connect()),
    connectToShadowDb: async () => readingCharacters(await factoryFor(shadowUrl).connect()),
  };
}

const { CHAR, DATE } = pg.types.builtins;

class CatalogClient extends pg.Client {
  constructor(config?: pg.ClientConfig) {
    super(config);
    this.connection.prependListener('rowDescription', ({ fields }: { fields: pg.FieldDef[] }) => {
      for (const field of fields) if (field.dataTypeID === CHAR) field.dataTypeID = DATE;
    });
  }
}

function readingCharacters(adapter: SqlDriverAdapter): SqlDriverAdapter {
  const queryRaw = adapter.queryRaw.bind(adapter);
  adapter.queryRaw = async (query) => {
    const result = await queryRaw(query);
    const columnTypes = result.columnTypes.map((type) =>
      type === ColumnTypeEnum.Date ? ColumnTypeEnum.Character : type,
    );
    return { ...result, columnTypes };
  };
  return adapter;
}
