import { useEffect, useRef, type ReactNode } from 'react';

let isFirstPage = true;

/** Shows a page: its title in the tab, and the focus on its heading after a change of page. */
export function Page({
  title,
  aside,
  beside,
  children,
}: {
  readonly title: string;
  /** At the end of the heading's line: actions. */
  readonly aside?: ReactNode;
  /** Right beside the heading: a state. */
  readonly beside?: ReactNode;
  readonly children: ReactNode;
}): ReactNode {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (!isFirstPage) heading.current?.focus({ preventScroll: true });
    isFirstPage = false;
  }, []);
  useEffect(() => {
    document.title = `${title} · Rollcall`;
  }, [title]);
  return (
    <>
      <div className="page-head">
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
        {beside}
        {aside && <div className="actions">{aside}</div>}
      </div>
      {children}
    </>
  );
}
