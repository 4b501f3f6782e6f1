/** The JSON Schema of the configuration file, for editors. Loading does not use it. */
import { z } from 'zod';
import { fileSchema } from './schema.js';

/** Always the same text for the same schema, so that the committed file can be compared. */
export function formatJsonSchema(): string {
  const { $schema, ...rest } = z.toJSONSchema(fileSchema, { io: 'input' });
  const schema = {
    $schema,
    title: 'Weir configuration, version 1',
    description: 'Generated from src/config/schema.ts by the build; do not edit.',
    ...rest,
  };
  return `${JSON.stringify(schema, null, 2)}\n`;
}
