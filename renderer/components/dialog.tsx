import type { ReactElement, ReactNode } from 'react';
import { Dialog as AriaDialog } from 'react-aria-components/Dialog';
import { Heading } from 'react-aria-components/Heading';
import { Modal, ModalOverlay } from 'react-aria-components/Modal';

export interface DialogProps {
  readonly title: string;
  readonly isOpen: boolean;
  /** Esc, a press outside (where allowed), or a button of the footer. */
  readonly onClose: () => void;
  readonly children: ReactNode;
  readonly footer?: ReactNode;
  /** A press outside closes it too: only where nothing typed is lost. */
  readonly dismissable?: boolean;
  readonly role?: 'dialog' | 'alertdialog';
  readonly wide?: boolean;
}

export function Dialog(props: DialogProps): ReactElement {
  const { title, isOpen, onClose, children, footer, dismissable = false, role = 'dialog', wide = false } = props;
  return (
    <ModalOverlay
      className="veil"
      isOpen={isOpen}
      isDismissable={dismissable}
      onOpenChange={(open) => {
        if (!open) onClose();
      }}
    >
      <Modal className={wide ? 'modal wide' : 'modal'}>
        <AriaDialog role={role} className="dialog">
          <Heading slot="title" level={2} className="dialog-title">
            {title}
          </Heading>
          <div className="dialog-body">{children}</div>
          {footer !== undefined && <div className="dialog-footer">{footer}</div>}
        </AriaDialog>
      </Modal>
    </ModalOverlay>
  );
}
