import { useId, type ReactNode } from 'react';

interface FieldProps {
  readonly id: string;
  readonly 'aria-invalid'?: true;
  readonly 'aria-describedby'?: string;
}

/** Shows a field with its label, and what is wrong with it, as what follows `It …`. */
export function Field({
  label,
  errors,
  children,
}: {
  readonly label: string;
  readonly errors?: readonly string[] | undefined;
  readonly children: (props: FieldProps) => ReactNode;
}): ReactNode {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children(errors ? { id, 'aria-invalid': true, 'aria-describedby': `${id}-error` } : { id })}
      {errors && (
        <p id={`${id}-error`} className="problem small" role="alert">
          {errors.map((error) => `It ${error}`).join('. ')}.
        </p>
      )}
    </div>
  );
}

/** Reads what was typed into a field of a form; empty for one that is not there, or is a file. */
export function textOf(form: FormData, name: string): string {
  const value = form.get(name);
  return typeof value === 'string' ? value : '';
}
