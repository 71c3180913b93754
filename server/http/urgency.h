/* Who comes first when the processors are busy. */
#ifndef NTK_SERVER_URGENCY_H
#define NTK_SERVER_URGENCY_H

/* Threads started by the calling one until ntk_urgency_end() ask for short turns: they get no more
 * of the processor than others, but soon after they wake (Linux 6.12 and later; earlier kernels
 * take no notice). */
void ntk_urgency_begin(void);
void ntk_urgency_end(void);

/* The calling thread and what it starts from now on leave one processor to others, the last one
 * that the first thread may use; nothing changes where there is but one. A thread that wakes on a
 * free processor runs at once, on a busy one it may wait for the next tick of the kernel's clock.
 */
void ntk_urgency_stand_back(void);

#endif
