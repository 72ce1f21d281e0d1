import type { FormEvent } from './index.js';

type Child = string | null | undefined | false | JSX.Element | readonly Child[];
type Attributes = { children?: Child };

export namespace JSX {
  type Element = { type: unknown };
  interface ElementChildrenAttribute {
    children: unknown;
  }
  interface IntrinsicElements {
    p: Attributes & { role?: string };
    button: Attributes & { onClick?: () => void };
    label: Attributes;
    form: Attributes & { onSubmit?: (event: FormEvent<HTMLFormElement>) => void };
    input: { name?: string; type?: string; autoComplete?: string; required?: boolean };
  }
}
