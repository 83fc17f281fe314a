import { useEffect, useRef, useState, type InputHTMLAttributes, type ReactNode } from 'react';

/**
 * A field whose text is kept elsewhere as well, such as in the address: that may come late, and must not take back what was typed since. It
 * is taken over from there only while nobody types.
 */
export function TypedInput({
  value,
  onText,
  ...rest
}: Omit<InputHTMLAttributes<HTMLInputElement>, 'value' | 'onChange'> & {
  readonly value: string;
  readonly onText: (text: string) => void;
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
      onChange={(event) => {
        setText(event.target.value);
        onText(event.target.value);
      }}
    />
  );
}
