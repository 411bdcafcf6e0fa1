/** Opens the file dialog of the system; what is chosen is shown with its report before anything is stored. */
export function chooseProfileFile(): void {
  const input = document.querySelector<HTMLInputElement>('#profile-file');
  input?.click();
}
