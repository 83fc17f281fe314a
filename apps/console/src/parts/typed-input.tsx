import { useEffect, useRef, useState, type InputHTMLAttributes, type ReactNode } from 'react';

/**
 * Shows a field whose text is kept elsewhere as well, such as in the address: that may come late, and must not take back what was typed
 * since. It is taken over from there only while nobody types: at once, or when the field is left.
 */
export function TypedInput({
  value,
  onText,
  clean = (text) => text,
  ...rest
}: Omit<InputHTMLAttributes<HTMLInputElement>, 'value' | 'onChange' | 'onBlur'> & {
  readonly value: string;
  readonly onText: (text: string) => void;
  /** Makes what the field may say of what was typed. */
  readonly clean?: (text: string) => string;
}): ReactNode {
  const [text, setText] = useState(value);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (document.activeElement !== field.current) setText(value);
  }, [value]);
  return (
    <input
      {...rest}
      ref={field}
      value={text}
      onBlur={() => setText(value)}
      onChange={(event) => {
        const cleaned = clean(event.target.value);
        setText(cleaned);
        onText(cleaned);
      }}
    />
  );
}
