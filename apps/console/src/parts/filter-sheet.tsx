import { useId, type ReactNode } from 'react';

/** Shows filters: beside each other where there is room, in a sheet of their own on a phone. @param used how many are set */
export function FilterSheet({ used, children }: { readonly used: number; readonly children: ReactNode }): ReactNode {
  const id = useId();
  return (
    <>
      <button type="button" className="button filter-opener" popoverTarget={id}>
        Filters {used > 0 && <span className="badge">{used}</span>}
      </button>
      <div id={id} popover="auto" className="filter-sheet">
        <h2 className="filter-title">Filters</h2>
        {children}
        <button type="button" className="button primary filter-closer" popoverTarget={id} popoverTargetAction="hide">
          Show them
        </button>
      </div>
    </>
  );
}
