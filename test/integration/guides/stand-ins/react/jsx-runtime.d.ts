import type { FormEvent } from './index.js';

type Child = string | null | undefined | false | JSX.Element | readonly Child[];
type Attributes = { children?: Child };

export namespace JSX {
  export type Element = { type: unknown };
  export interface ElementChildrenAttribute {
    children: unknown;
  }
  export interface IntrinsicElements {
    p: Attributes & { role?: string };
    button: Attributes & { onClick?: () => void };
    label: Attributes;
    form: Attributes & { onSubmit?: (event: FormEvent<HTMLFormElement>) => void };
    input: { name?: string; type?: string; autoComplete?: string; required?: boolean };
  }
}
